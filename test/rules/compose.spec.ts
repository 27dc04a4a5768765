import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const cwd = fileURLToPath(new URL('../..', import.meta.url))
/** DOCKER_COMPOSE names the stand-alone program; without it the plugin of docker is looked for. */
const [program, ...before] = process.env['DOCKER_COMPOSE'] ? [process.env['DOCKER_COMPOSE']] : ['docker', 'compose']
const here = spawnSync(program, [...before, 'version']).status === 0

it.skipIf(!here)(
  'docker compose (DOCKER_COMPOSE names it, else docker) accepts the file and finds every service',
  () => {
    const { status, stdout, stderr } = spawnSync(program, [...before, 'config', '--services'], {
      cwd,
      encoding: 'utf8',
    })
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
  },
)
