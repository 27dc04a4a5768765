import { expect, it, vi } from 'vitest'
import { Loop } from '../../src/exchange/loop.js'

it('tries a step that failed again soon, however long its pauses are', async () => {
  const problems: unknown[] = []
  let steps = 0
  const loop = new Loop(
    async () => {
      steps++
      if (steps <= 2) throw new Error(`failure ${steps}`)
      return false
    },
    600_000,
    (error) => problems.push(error),
  )
  loop.start()
  await vi.waitFor(() => expect(steps).toBe(3), { timeout: 30_000 })
  expect(problems.map(String)).toEqual(['Error: failure 1', 'Error: failure 2'])
  await loop.stop()
})
