import { createServer } from 'node:net'
import { expect, it } from 'vitest'
import { freePort, HOST, listenable } from '../../src/embedded/free-port.js'

it('gives a port that can be listened on, below those of outgoing connections', async () => {
  for (let i = 0; i < 20; i++) {
    const port = await freePort()
    expect(port).toBeGreaterThanOrEqual(20_000)
    expect(port).toBeLessThan(32_768)
    expect(await listenable(HOST, port)).toBe(port)
  }
})

it('says of a port that somebody has that it is in use, and of no address of this machine that it is none', async () => {
  const port = await freePort()
  const other = createServer().listen(port, HOST)
  await expect(listenable(HOST, port)).rejects.toMatchObject({ code: 'EADDRINUSE' })
  await new Promise((closed) => other.close(closed))
  expect(await listenable(HOST, port)).toBe(port)
  await expect(freePort('192.0.2.1')).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' })
})
