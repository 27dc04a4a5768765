import { beforeEach, describe, expect, it } from 'vitest'
import type { Principal } from '../../src/auth/principal.js'
import type { GrantWord } from '../../src/consent/decide.js'
import type { ConsentMirror } from '../../src/consent/mirror.js'
import { Access } from '../../src/gateway/access.js'
import { disclose } from '../../src/gateway/disclose.js'
import type { InteractionRequest } from '../../src/gateway/interaction.js'
import type { GatewayParts } from '../../src/gateway/parts.js'
import { Trail } from '../../src/gateway/trail.js'
import type { StoredVersion } from '../../src/records/types.js'

const id = (n: number) => `0x${n.toString(16).padStart(64, '0')}` as const
const NOW = 1_800_000_000_000
const row = { type: 'Observation', id: 'o', version: 1, patient: id(1), origin: id(9), labels: 1n, categories: 1n }
const word: GrantWord = {
  patient: id(1),
  grantee: id(2),
  labels: 1n,
  action: 'read',
  from: 0,
  to: NOW,
  purposes: 0xffff,
  categories: 1n,
}
const principal = {
  clientId: 'c',
  entity: id(2),
  role: 'system',
  scopes: [],
  purposes: ['TREAT'],
} as unknown as Principal
const request = {
  principal,
  interaction: 'read',
  requestId: 'r',
  clientAddress: '::1',
} as unknown as InteractionRequest

/** A mirror in memory, and a vault that does something while it opens; audited counts what was made durable. */
class Stage {
  granted: readonly GrantWord[] = [word]
  revision = 0
  asked = 0
  audited = 0
  whileOpening = (): void => undefined
  readonly access = new Access(
    this as unknown as ConsentMirror, // the part of it that decisions read
    () => ({ confirmedAt: NOW, limitMs: 1000 }),
    () => NOW,
  )
  readonly parts = {
    access: this.access,
    clock: () => NOW,
    audit: { records: () => [] },
    records: { commit: async () => void this.audited++ },
    bodies: {
      open: async () => {
        this.whileOpening()
        return [Buffer.from('{}')]
      },
    },
  } as unknown as GatewayParts // the parts that a disclosure uses

  async words(): Promise<readonly GrantWord[]> {
    return this.granted
  }

  async activeParties(): Promise<Set<string>> {
    this.asked++
    return new Set([id(2)])
  }

  async read(): Promise<Uint8Array[]> {
    const rows = [row as unknown as StoredVersion]
    const permit = await this.access.permit(principal, 'read', rows)
    return disclose(this.parts, request, new Trail(), permit, rows, { interaction: 'read' })
  }
}

let stage: Stage
beforeEach(() => {
  stage = new Stage()
})

describe('disclose', () => {
  it('lets out what is still permitted, audited, and asks once where the ledger was silent', async () => {
    expect(await stage.read()).toEqual([Buffer.from('{}')])
    expect([stage.audited, stage.asked]).toEqual([1, 1])
  })

  it('keeps back what a revocation that came while it was opened has taken away', async () => {
    stage.whileOpening = () => {
      stage.granted = []
      stage.revision++
    }
    await expect(stage.read()).rejects.toMatchObject({ kind: 'forbidden' })
  })

  it('asks again and lets out when the ledger spoke of something else', async () => {
    stage.whileOpening = () => void stage.revision++
    expect(await stage.read()).toHaveLength(1)
    expect(stage.asked).toBe(2)
  })

  it('hears what came between the decision and the disclosure', async () => {
    const rows = [row as unknown as StoredVersion]
    const permit = await stage.access.permit(principal, 'read', rows)
    stage.granted = []
    stage.revision++
    const late = disclose(stage.parts, request, new Trail(), permit, rows, { interaction: 'read' })
    await expect(late).rejects.toMatchObject({ kind: 'forbidden' })
  })
})
