import { describe, expect, it } from 'vitest'
import { parseScopes } from '../../src/auth/scopes.js'
import type { ConsentMirror } from '../../src/consent/mirror.js'
import { Access } from '../../src/gateway/access.js'
import { id, principal, rowOf, Stage } from './stage.js'

const NOW = 1_800_000_000_000 - 1
/** Two patients have granted to the party; the token may be of one of them, who is `p` here. */
const stage = new Stage()
const access = new Access(
  stage as unknown as ConsentMirror, // the part of it that decisions read
  () => ({ confirmedAt: NOW, limitMs: 1000 }),
  () => NOW,
  null,
  async (localId) => (localId === 'p' ? id(1) : null),
)
const [own, other, nobodys] = [
  rowOf('own', id(1)),
  rowOf('other', id(3)),
  { ...rowOf('n', id(1)), patient: null, origin: id(2) },
]
const caller = (scopes: string, patient?: string) => ({
  ...principal,
  scopes: parseScopes(scopes),
  ...(patient === undefined ? {} : { patient }),
})

describe('a token with a patient scope', () => {
  it.each([
    ['patient/*.rs', 'p', [true, false, false]],
    ['system/*.rs patient/*.rs', 'p', [true, false, false]],
    ['patient/*.rs', 'unknown', [false, false, false]],
    ['patient/*.rs', undefined, [false, false, false]],
    ['system/*.rs', 'p', [true, true, true]],
    ['user/*.rs', undefined, [true, true, true]],
  ])('%s of %s reaches %j of the patient, another one, and nobody', async (scopes, patient, reached) => {
    const who = caller(scopes, patient)
    const rows = [own, other, nobodys]
    expect((await access.permits(who, 'read', rows)).map((permit) => permit !== null)).toEqual(reached)
    const each = rows.map((row) =>
      access.permit(who, 'read', [row]).then(
        () => true,
        ({ kind }) => kind,
      ),
    )
    expect(await Promise.all(each)).toEqual(reached.map((one) => one || 'forbidden'))
    // in a search the same is a condition of its SQL
    const { sql, params } = await access.filter(who, 'read')
    const confined =
      sql.startsWith(
        '((r.patient = $6 AND r.others IS NULL) OR (r.patient IS NULL AND r.type = ANY ($7::text[]) AND (r.type, r.id) IN (',
      ) && (params[5] as Buffer).equals(Buffer.from(id(1).slice(2), 'hex'))
    expect(sql === 'false' ? 'nothing' : confined ? 'one' : 'all').toBe(
      reached[2] ? 'all' : reached[0] ? 'one' : 'nothing',
    )
  })

  it('writes in the compartment alone, whatever is referred to', async () => {
    const { sql } = await access.filter(caller('patient/*.cruds', 'p'), 'update')
    expect(sql).toMatch(/^\(r\.patient = \$6 AND r\.others IS NULL\) AND \(/)
  })

  it('is refused together with what it does not reach', async () => {
    await expect(access.permit(caller('patient/*.rs', 'p'), 'read', [own, other])).rejects.toMatchObject({
      kind: 'forbidden',
    })
  })
})
