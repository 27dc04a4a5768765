import { EventEmitter, once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { Drain, type DrainOptions } from '../../src/http/drain.js'
import { startEdge } from '../support/edge.js'

/** An edge whose reads answer when told to, and a drain of it. */
async function slowEdge(overrides: Partial<DrainOptions> = {}) {
  const begun = Promise.withResolvers<void>()
  const proceed = Promise.withResolvers<void>()
  const order: string[] = []
  const edge = await startEdge({
    interactions: {
      read: async () => {
        begun.resolve()
        await proceed.promise
        order.push('answered')
        return { status: 200, headers: {}, body: '{}' }
      },
    },
  })
  const part = (name: string, close: () => void = () => undefined) => ({
    name,
    close: async () => {
      order.push(`closed ${name}`)
      close()
    },
  })
  const drain = new Drain({
    stopServing: () => edge.close(),
    cutConnections: () => edge.server.server.closeAllConnections(),
    parts: [part('workers'), part('database')],
    seconds: 60,
    note: (message) => order.push(message),
    ...overrides,
  })
  const headers = { authorization: `Bearer ${await edge.token()}` }
  const read = () => fetch(`${edge.fhir}/Patient/1`, { headers })
  return { edge, drain, begun, proceed, order, part, read }
}

describe('draining', () => {
  it('finishes what is in flight, takes nothing new, then closes the parts in order', async () => {
    const { edge, drain, begun, proceed, order, read } = await slowEdge()
    const inFlight = read()
    await begun.promise
    expect(drain.draining).toBe(false)
    const done = drain.run()
    expect(drain.draining).toBe(true)
    expect(drain.run()).toBe(done)
    await expect(fetch(`${edge.origin}/health/live`)).rejects.toThrow()
    expect(order).toEqual([])
    proceed.resolve()
    expect((await inFlight).status).toBe(200)
    expect(await done).toBe(true)
    expect(order).toEqual(['answered', 'closed workers', 'closed database'])
  })

  it('does not wait for a connection on which nothing is asked', async () => {
    const { edge, drain } = await slowEdge()
    const { hostname, port } = new URL(edge.origin)
    const idle = connect(Number(port), hostname)
    await once(idle, 'connect')
    const closed = once(idle, 'close')
    expect(await drain.run()).toBe(true)
    await closed
  })

  it('cuts off what takes too long', async () => {
    const { drain, begun, order, read } = await slowEdge({ seconds: 0 })
    const inFlight = read()
    await begun.promise
    const done = drain.run()
    await expect(inFlight).rejects.toThrow()
    await done
    expect(order[0]).toContain('cut off')
    expect(order).toContain('closed database')
  })

  it('closes the other parts when one fails, and says so', async () => {
    const { drain, order, part } = await slowEdge()
    const failing = new Drain({
      stopServing: () => drain.run().then(() => undefined),
      cutConnections: () => undefined,
      parts: [
        part('first', () => {
          throw new Error('stuck')
        }),
        part('second'),
      ],
      seconds: 60,
      note: (message) => order.push(message),
    })
    expect(await failing.run()).toBe(false)
    expect(order.slice(-3)).toEqual(['closed first', 'first did not close cleanly', 'closed second'])
  })

  it('leaves a part that does not close', async () => {
    const { drain, order, part } = await slowEdge()
    const stuck = new Drain({
      stopServing: () => drain.run().then(() => undefined),
      cutConnections: () => undefined,
      parts: [{ name: 'stuck', close: () => new Promise<void>(() => undefined) }, part('next')],
      seconds: 60,
      partSeconds: 0,
      note: (message) => order.push(message),
    })
    expect(await stuck.run()).toBe(false)
    expect(order.slice(-2)).toEqual(['stuck did not close within 0 s and was left', 'closed next'])
  })

  it('begins at the first signal and gives up at the second', async () => {
    const { drain, begun, proceed, read } = await slowEdge()
    const exits: number[] = []
    const exited = Promise.withResolvers<void>()
    const exit = (code: number) => {
      exits.push(code)
      exited.resolve()
    }
    const process = Object.assign(new EventEmitter(), { exit })
    let now = 0
    drain.onSignals(process as unknown as NodeJS.Process, () => now)
    const inFlight = read()
    await begun.promise
    process.emit('SIGTERM', 'SIGTERM')
    // npm forwards what the terminal has sent already.
    process.emit('SIGINT', 'SIGINT')
    expect([drain.draining, exits]).toEqual([true, []])
    now = 1000
    process.emit('SIGINT', 'SIGINT')
    expect(exits).toEqual([130])
    proceed.resolve()
    await inFlight
    await drain.run()
    await new Promise(setImmediate)
    expect(exits).toEqual([130, 0])
  })
})
