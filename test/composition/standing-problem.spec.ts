import { beforeEach, describe, expect, it } from 'vitest'
import { StandingProblem } from '../../src/composition/standing-problem.js'
import { ConsentryError } from '../../src/errors.js'

let now: number
let told: [message: string, again: number][]
let problem: StandingProblem
beforeEach(() => {
  now = 1_000_000
  told = []
  problem = new StandingProblem(
    () => now,
    (error, again) => told.push([(error as Error).message, again]),
  )
})

const comes = (text: string) => problem.hear(new ConsentryError('unavailable', text))

describe('a problem that stays', () => {
  it('is told when it begins, and once a minute with how often it came', () => {
    for (let i = 0; i < 25; i++) {
      comes('The node is silent.')
      now += 5_000
    }
    expect(told).toEqual([
      ['The node is silent.', 0],
      ['The node is silent.', 11],
      ['The node is silent.', 11],
    ])
  })

  it('is told at once when it becomes another', () => {
    comes('The node is silent.')
    comes('The node is silent.')
    comes('The node answers nonsense.')
    comes('The node is silent.')
    expect(told.map(([message]) => message)).toEqual([
      'The node is silent.',
      'The node answers nonsense.',
      'The node is silent.',
    ])
  })
})
