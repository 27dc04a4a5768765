import 'reflect-metadata'
import { readFileSync } from 'node:fs'
import { Injectable, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { transformSync, type Options } from '@swc/core'
import { describe, expect, it } from 'vitest'

@Injectable()
class Clock {
  readonly now = 7
}

@Injectable()
class Watch {
  constructor(readonly clock: Clock) {}
}

@Module({ providers: [Clock, Watch] })
class Pocket {}

describe('decorator metadata', () => {
  it('reaches Nest under vitest: a class is injected by its type', async () => {
    const context = await NestFactory.createApplicationContext(Pocket, { logger: false })
    expect(context.get(Watch).clock.now).toBe(7)
    await context.close()
  })

  it('is written by the build', () => {
    const options = JSON.parse(readFileSync(new URL('../.swcrc', import.meta.url), 'utf8')) as Options
    const { code } = transformSync(
      `import { Injectable } from '@nestjs/common'
       import { Clock } from './clock.js'
       @Injectable() export class Watch { constructor(readonly clock: Clock) {} }`,
      { ...options, filename: 'watch.ts', swcrc: false },
    )
    expect(code).toMatch(/design:paramtypes/)
    expect(code).toMatch(/import \{ Clock \} from '.\/clock.js'|import \{ Clock \} from "\.\/clock\.js"/)
  })
})
