import { setTimeout as sleep } from 'node:timers/promises'
import type { Ask } from './asking.js'
import type { Told } from './caller.js'
import { LEAVING } from './situations.js'
import type { Stage } from './stage.js'

/** A party that may see what `hidden` has from now on. */
export const admit = (stage: Stage): Promise<void> =>
  mirrored(stage, () => stage.grant('hidden', LEAVING.name, { labels: ['general', 'PSY'] }))

/** It may not any more. */
export const dismiss = (stage: Stage): Promise<void> => mirrored(stage, () => stage.revoke('hidden', LEAVING.name))

/** Done when the mirror has heard of the change, which is one of one patient. */
async function mirrored(stage: Stage, change: () => Promise<void>): Promise<void> {
  const before = (await stage.instrument('folds')) as number
  await change()
  await until(async () => ((await stage.instrument('folds')) as number) > before)
}

/**
 * Asks, and takes the permission back before the `at`-th statement of the request is sent.
 *
 * @returns `null` if it was answered with fewer: what is common to several requests is sent by one of them
 */
export async function askWhileRevoked(stage: Stage, ask: Ask, at: number): Promise<Told | null> {
  let answered = false
  const answer = stage.callers.ask(LEAVING.name, ask, { 'x-hold': String(at) }).finally(() => (answered = true))
  await until(async () => answered || (await stage.instrument('held')) === 1)
  if (answered) return null
  await dismiss(stage)
  await stage.instrument('release')
  return answer
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; !(await holds()); i++) {
    if (i === 6_000) throw new Error('not in a minute')
    await sleep(10)
  }
}
