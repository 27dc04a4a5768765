import { ESLint } from 'eslint'
import { describe, expect, it } from 'vitest'

/** The project's own rules, without those that need types of the whole program. */
const eslint = new ESLint({
  overrideConfig: {
    languageOptions: { parserOptions: { project: null } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'off',
      '@typescript-eslint/no-misused-promises': 'off',
    },
  },
  ruleFilter: ({ ruleId }) => ['no-restricted-syntax', 'no-restricted-imports', 'no-console'].includes(ruleId),
})

async function complaints(filePath: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(code, { filePath })
  return (result?.messages ?? []).map(({ ruleId, message }) => ruleId ?? message)
}

describe('the lint rules', () => {
  it.each([
    `import { takeIssuer } from '../consent/permit.js'\ntakeIssuer()`,
    `import { takeIssuer as harmless } from '../consent/permit.js'\nharmless()`,
    `import * as permit from '../consent/permit.js'\npermit.takeIssuer()`,
    `export { takeIssuer } from '../consent/permit.js'`,
    `export * from '../consent/permit.js'`,
    `const permit = await import('../consent/permit.js')\npermit.takeIssuer()`,
  ])('keep the issuer of permits from %j', async (code) => {
    expect(await complaints('src/gateway/anything.ts', code)).not.toEqual([])
    expect(await complaints('src/consent/anything.ts', code)).not.toEqual([])
  })

  it('let decide have it, and everyone the class', async () => {
    const take = `import { takeIssuer } from './permit.js'\ntakeIssuer()`
    expect(await complaints('src/consent/decide.ts', take)).toEqual([])
    expect(await complaints('src/consent/other.ts', take)).toEqual(['no-restricted-imports'])
    const use = `import { Permit } from '../consent/permit.js'\nPermit.is(1)`
    expect(await complaints('src/vault/open.ts', use)).toEqual([])
  })

  it.each([
    `export const port = process.env.PORT`,
    `export const port = process.env['PORT']`,
    `export const port = process['env'].PORT`,
    `const { env } = process\nexport const port = env.PORT`,
    `import { env } from 'node:process'\nexport const port = env.PORT`,
    `import process from 'process'\nexport const port = process`,
  ])('keep %j out of everything but the configuration', async (code) => {
    expect(await complaints('src/http/anything.ts', code)).not.toEqual([])
    expect(await complaints('src/cli/anything.ts', code)).not.toEqual([])
  })

  it('let the configuration read the environment', async () => {
    expect(await complaints('src/config.ts', `export const port = process.env['PORT']`)).toEqual([])
  })

  it('keep the console for the command line, and lonely tests out', async () => {
    expect(await complaints('src/http/anything.ts', `console.log(1)`)).toEqual(['no-console'])
    expect(await complaints('src/cli/anything.ts', `console.log(1)`)).toEqual([])
    expect(await complaints('test/http/anything.spec.ts', `it.only('x', () => undefined)`)).toEqual([
      'no-restricted-syntax',
    ])
  })
})
