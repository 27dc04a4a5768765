import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const cwd = fileURLToPath(new URL('../..', import.meta.url))
const here = spawnSync('docker', ['compose', 'version']).status === 0

it.skipIf(!here)('docker compose accepts the file and finds every service', () => {
  const { status, stdout, stderr } = spawnSync('docker', ['compose', 'config', '--services'], { cwd, encoding: 'utf8' })
  expect([status, stderr]).toEqual([0, ''])
  expect(stdout.trim().split('\n').sort()).toEqual([
    'ethereum',
    'gateway',
    'kubo',
    'postgres',
    'proxy-1',
    'proxy-2',
    'proxy-3',
  ])
})
