import { parseArgs, type ParseArgsConfig } from 'node:util'

/** What was typed does not fit the program; the message has its usage. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/**
 * The options and words that a program was started with. `--help` prints its usage and ends the process, before anything is opened or
 * asked.
 *
 * @throws UsageError for an option that it does not have, or one without its value
 */
export function commandLine<T extends ParseArgsConfig>(usage: string, config: T): ReturnType<typeof parseArgs<T>> {
  if (process.argv.slice(2).some((word) => word === '--help' || word === '-h')) {
    console.log(usage)
    process.exit(0)
  }
  try {
    return parseArgs(config)
  } catch (error) {
    const [what = ''] = String((error as Error).message).split('. To specify')
    throw new UsageError(`${what}.\n${usage}`.replace('..\n', '.\n'), { cause: error })
  }
}
