import swc from 'unplugin-swc'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** From the longest to the shortest. */
const KINDS = ['e2e', 'integration', 'property', 'spec']

/** Long files first, so that no worker is left with one at the end; vitest knows durations of a run before, a fresh clone has none. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => KINDS.indexOf(/\.(\w+)\.ts$/.exec(moduleId)?.[1] ?? '')
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}

export default defineConfig({
  plugins: [swc.vite({ module: { type: 'es6' } })],
  oxc: false,
  // As Node resolves it for Apollo: there must be one graphql only.
  resolve: { alias: [{ find: /^graphql$/, replacement: import.meta.resolve('graphql') }] },
  test: {
    testTimeout: 180_000,
    hookTimeout: 180_000,
    pool: 'forks',
    maxWorkers: 2,
    globalSetup: 'test/support/run.ts',
    sequence: { sequencer: LongFirst },
    // Two processes for all files: what they load is loaded and compiled twice, not two hundred times.
    isolate: false,
    include: ['test/**/*.{spec,property,integration,e2e}.ts'],
  },
})
