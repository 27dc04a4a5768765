import { beforeEach, describe, expect, it } from 'vitest'
import { ConsentryError } from '../../src/errors.js'
import type { ValidResource } from '../../src/fhir/types.js'
import { audited } from '../../src/gateway/audited.js'
import type { FhirInteractions, InteractionRequest, InteractionResponse } from '../../src/gateway/interaction.js'
import { read } from '../../src/gateway/read.js'
import { released, withoutBody } from '../../src/gateway/release.js'
import { transaction } from '../../src/gateway/transaction.js'
import { Trail } from '../../src/gateway/trail.js'
import { write } from '../../src/gateway/write.js'
import { id, principal, request, rowOf, Stage } from './stage.js'

const first = rowOf('first', id(1))
const second = rowOf('second', id(3))
let stage: Stage
beforeEach(() => {
  stage = new Stage()
  stage.rows = [first, second]
})

const reading = (name: string, opened?: InteractionRequest['opened']): InteractionRequest => ({
  ...request,
  type: 'Observation',
  id: name,
  ...(opened === undefined ? {} : { opened }),
})

/** While the second is opened, the patient of the first revokes. */
function revokeAtSecond(): void {
  let opened = 0
  stage.whileWorking = () => {
    if (++opened === 2) stage.revoke(id(1))
  }
}

describe('an answer that is made of several disclosures', () => {
  /** As GraphQL asks: one interaction after the other inside of one. */
  const both = () => {
    const inside = read(stage.parts)
    return audited(
      stage.parts,
      released(stage.parts, async ({ opened }) => {
        await inside(reading('first', opened))
        await inside(reading('second', opened))
        return { status: 200, headers: {}, body: 'both' }
      }),
    )
  }

  it('goes out when all of it is still permitted', async () => {
    expect(await both()(request)).toMatchObject({ status: 200, body: 'both' })
  })

  it('stays here when the first was revoked while the last was opened, and the denial is in the trail', async () => {
    revokeAtSecond()
    await expect(both()(request)).rejects.toMatchObject({ kind: 'forbidden' })
    expect(stage.audited.map(({ outcome }) => outcome)).toEqual(['0', '0', '4'])
  })

  it('asks the mirror once more for all of it, not once for each', async () => {
    stage.whileWorking = () => stage.revoke(id(4))
    const before = stage.asked
    await both()(request)
    // two decisions, each confirmed by itself, and all of it at the end unless nothing came after the last
    expect(stage.asked - before).toBeLessThanOrEqual(5)
  })
})

describe('a batch', () => {
  const bundle = {
    resourceType: 'Bundle',
    type: 'batch',
    entry: ['first', 'second'].map((name) => ({ request: { method: 'GET', url: `Observation/${name}` } })),
  }
  const ask = async () => {
    const interactions: FhirInteractions = { types: new Set(), read: read(stage.parts) }
    const posted = { ...request, interaction: 'transaction', method: 'POST' } as const
    const { body } = await transaction(
      stage.parts,
      () => interactions,
    )({
      ...posted,
      body: Buffer.from(JSON.stringify(bundle)),
    })
    const text = typeof body === 'string' ? body : Buffer.from(body as Uint8Array).toString()
    const { entry } = JSON.parse(text) as {
      entry: { resource?: { id: string }; response: { status: string } }[]
    }
    return entry.map(({ resource, response }) => [response.status.slice(0, 3), resource?.id])
  }

  it('answers each entry', async () => {
    expect(await ask()).toEqual([
      ['200', 'first'],
      ['200', 'second'],
    ])
  })

  it('keeps back the entry that was revoked while another was opened, alone, and says so in the trail', async () => {
    revokeAtSecond()
    expect(await ask()).toEqual([
      ['403', undefined],
      ['200', 'second'],
    ])
    expect(stage.audited.at(-1)).toMatchObject({ outcome: '4', patients: [{ id: id(1) }] })
  })
})

describe('a transaction', () => {
  const search = () => ({ status: 200, headers: {}, body: { resourceType: 'Bundle', type: 'searchset' } })
  /** Writes and searches; `answers` are those of the search, before the commit and after it. */
  const ask = async (...answers: (() => InteractionResponse)[]) => {
    const interactions: FhirInteractions = {
      types: new Set(),
      'search-type': async () => (answers.shift() as () => InteractionResponse)(),
    }
    const entry = [
      { request: { method: 'GET', url: 'Observation?status=final' } },
      { request: { method: 'POST', url: 'Organization' }, resource: { resourceType: 'Organization', name: 'x' } },
    ]
    const body = Buffer.from(JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry }))
    const posted = { ...request, interaction: 'transaction', method: 'POST', body } as const
    const answer = await transaction(stage.parts, () => interactions)(posted)
    const told = JSON.parse(Buffer.from(answer.body as Uint8Array).toString()) as {
      entry: { response: { status: string } }[]
    }
    return told.entry.map(({ response }) => response.status.slice(0, 3))
  }
  const refusal = (): InteractionResponse => {
    throw new ConsentryError('unavailable', 'later')
  }

  it('is asked for its searches before it is written, and answers them afterwards', async () => {
    expect(await ask(search, search)).toEqual(['200', '201'])
  })

  it('writes nothing when a search is refused before', async () => {
    await expect(ask(refusal, search)).rejects.toMatchObject({
      kind: 'unavailable',
      issues: [{ expression: ['Bundle.entry[0].request'] }],
    })
    expect(stage.written).toBe(0)
  })

  it('says that it has written when a search is refused after all', async () => {
    expect(await ask(search, refusal)).toEqual(['503', '201'])
    expect(stage.written).toBe(1)
  })
})

describe('an interaction that has changed something', () => {
  it('says that it has, and nothing of what it had read', async () => {
    const run = released(
      stage.parts,
      async (_, trail) => {
        await stage.read(first, trail)
        stage.revoke(id(1))
        return { status: 200, headers: { etag: 'W/"2"' }, body: 'merged' }
      },
      withoutBody,
    )
    expect(await run(request, new Trail())).toEqual({ status: 200, headers: { etag: 'W/"2"' } })
  })
})

describe('a count', () => {
  const counting = (now: number) =>
    released(stage.parts, async (_, trail) => {
      trail.opened.count(await stage.access.filter(principal, 'read'), 2, async () => now)
      stage.revision++
      return { status: 200, headers: {}, body: 'two' }
    })

  it('goes out when it is what it was', async () => {
    expect(await counting(2)(request, new Trail())).toMatchObject({ body: 'two' })
  })

  it('stays here when a revocation has changed it', async () => {
    await expect(counting(1)(request, new Trail())).rejects.toMatchObject({ kind: 'unavailable' })
  })
})

describe('a write', () => {
  const resource = { resourceType: 'Organization', name: 'x' } as unknown as ValidResource // valid, as the edge made sure
  const make = () =>
    write(stage.parts, request, new Trail(), [
      { kind: 'create', method: 'POST', type: 'Organization', id: 'n', resource, at: 'Organization' },
    ])

  it('is written when the ledger was silent', async () => {
    await make()
    expect(stage.written).toBe(1)
  })

  it('is not, when the permission ended while it was sealed', async () => {
    stage.whileWorking = () => {
      stage.active = false
      stage.revision++
    }
    await expect(make()).rejects.toMatchObject({ kind: 'forbidden' })
    expect(stage.written).toBe(0)
  })

  it('is refused, and says why, when the Patient that it speaks of was deleted while it was sealed', async () => {
    const of = (state: 'present' | 'deleted') => () => new Map([['p', { id: id(1), state }]])
    stage.known = of('present')
    stage.granted = stage.granted.map((each) => ({ ...each, action: 'create' as const }))
    stage.whileWorking = () => (stage.known = of('deleted'))
    const observation = { resourceType: 'Observation', subject: { reference: 'Patient/p' } } as unknown as ValidResource // as above
    const intent = {
      kind: 'create',
      method: 'POST',
      type: 'Observation',
      id: 'n',
      resource: observation,
      at: 'Observation',
    } as const
    const written = write(stage.parts, request, new Trail(), [intent])
    await expect(written).rejects.toMatchObject({
      kind: 'invalid',
      issues: [
        {
          code: 'not-found',
          diagnostics: expect.stringContaining('was deleted'),
          expression: ['Observation.subject'],
        },
      ],
    })
    expect(stage.written).toBe(0)
  })
})
