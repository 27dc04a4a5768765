import { beforeEach, describe, expect, it } from 'vitest'
import { disclose } from '../../src/gateway/disclose.js'
import { Trail } from '../../src/gateway/trail.js'
import { id, principal, request, rowOf, Stage } from './stage.js'

const row = rowOf('o', id(1))
let stage: Stage
beforeEach(() => {
  stage = new Stage()
})

describe('disclose', () => {
  it('lets out what is still permitted, audited, and asks once where the ledger was silent', async () => {
    expect(await stage.read(row)).toHaveLength(1)
    expect([stage.audited.length, stage.asked]).toEqual([1, 1])
  })

  it('keeps back what a revocation that came while it was opened has taken away', async () => {
    stage.whileWorking = () => stage.revoke(id(1))
    await expect(stage.read(row)).rejects.toMatchObject({ kind: 'forbidden' })
  })

  it('asks again and lets out when the ledger spoke of something else', async () => {
    stage.whileWorking = () => stage.revoke(id(4))
    expect(await stage.read(row)).toHaveLength(1)
    expect(stage.asked).toBe(2)
  })

  it('hears what came between the decision and the disclosure', async () => {
    const permit = await stage.access.permit(principal, 'read', [row])
    stage.revoke(id(1))
    const late = disclose(stage.parts, request, new Trail(), permit, [row], { interaction: 'read' })
    await expect(late).rejects.toMatchObject({ kind: 'forbidden' })
  })
})
