/**
 * npm run fsck [-- --json]
 * Recomputes the audit log, the anchored batches, the blocks and the mirrors of a gateway from the chain and names what is
 * wrong. Exit code 0: nothing; 1: findings; 2: something could not be checked.
 */
import { type CheckReport, fsck } from '../audit/fsck/fsck.js'
import { ConfigurationError, readConfig } from '../config.js'
import { ConsentryError } from '../errors.js'
import { commandLine, UsageError } from './arguments.js'
import { CannotCheck, openMaterial } from './fsck/open-material.js'

const USAGE = `usage: npm run fsck [-- --json]
  With the gateway stopped, on the data directory and the parts that the gateway is configured with.
  Exit code 0: nothing is wrong; 1: something is; 2: something could not be checked.`

/** Findings of one check that are printed for a person; the rest is counted. `--json` gives all. */
const PRINTED = 50

async function main(): Promise<number> {
  const { values } = commandLine(USAGE, { options: { json: { type: 'boolean', default: false } } })
  const config = readConfig()
  const opened = await openMaterial(config)
  const reports: CheckReport[] = []
  try {
    for await (const report of fsck(opened.material)) {
      reports.push(report)
      if (!values.json) print(report)
    }
  } finally {
    await opened.close()
  }
  const findings = reports.reduce((sum, report) => sum + report.findings.length, 0)
  const unfinished = reports.filter(({ failure }) => failure !== undefined).length
  if (values.json)
    console.log(JSON.stringify({ clean: findings === 0 && unfinished === 0, findings, reports }, null, 2))
  else
    console.log(
      findings === 0 && unfinished === 0 ? 'Clean.' : `${findings} findings, ${unfinished} checks not finished.`,
    )
  if (findings > 0) return 1
  return unfinished > 0 ? 2 : 0
}

function print({ check, looked, findings, failure }: CheckReport): void {
  console.log(
    `${findings.length === 0 && failure === undefined ? 'ok ' : 'BAD'} ${check.padEnd(12)} ${looked ?? failure ?? ''}`,
  )
  for (const { where, what } of findings.slice(0, PRINTED)) console.log(`      ${where}: ${what}`)
  if (findings.length > PRINTED) console.log(`      and ${findings.length - PRINTED} more (--json names all)`)
}

main().then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    const told = [CannotCheck, ConsentryError, ConfigurationError, UsageError].some((kind) => error instanceof kind)
    console.error(told ? (error as Error).message : error)
    process.exitCode = 2
  },
)
