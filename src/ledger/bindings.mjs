// Writes src/ledger/abi.ts, the TypeScript form of the contracts' ABIs, from generated/contracts. Run it after a change
// of contracts/interfaces; test/ledger/bindings.spec.ts fails while the two differ.
//   npm run generate:contracts && node src/ledger/bindings.mjs
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath, URL } from 'node:url'
import { format, resolveConfig } from 'prettier'

export const NAMES = ['IdentityRegistry', 'ConsentRegistry', 'RecordAnchors', 'AuditLog', 'ProxyRegistry']
const target = fileURLToPath(new URL('abi.ts', import.meta.url))

/** The forms of abi-values.ts: integers up to 48 bits are numbers, longer ones bigint. */
function typeOf(parameter) {
  const array = /^(.*)\[\d*\]$/.exec(parameter.type)
  if (array) return `readonly (${typeOf({ ...parameter, type: array[1] })})[]`
  if (parameter.type === 'tuple') return fields(parameter.components)
  if (parameter.type === 'bool') return 'boolean'
  if (parameter.type === 'string') return 'string'
  const integer = /^u?int(\d+)$/.exec(parameter.type)
  if (integer) return Number(integer[1]) <= 48 ? 'number' : 'bigint'
  if (/^(address|bytes\d*)$/.test(parameter.type)) return 'Hex'
  throw new Error(`No TypeScript form for ${parameter.type}.`)
}

function fields(parameters) {
  if (parameters.length === 0) return 'Readonly<Record<string, never>>'
  return `{ ${parameters.map((p, i) => `readonly ${p.name || `_${i}`}: ${typeOf(p)}`).join('; ')} }`
}

function inputs(parameters) {
  return `[${parameters.map((p, i) => `${p.name || `_${i}`}: ${typeOf(p)}`).join(', ')}]`
}

function output(parameters) {
  if (parameters.length === 0) return 'undefined'
  return parameters.length === 1 ? typeOf(parameters[0]) : fields(parameters)
}

function section(abi, kind, print) {
  const entries = abi.filter((entry) => entry.type === kind).sort((a, b) => (a.name < b.name ? -1 : 1))
  return `{ ${entries.map((entry) => `readonly ${entry.name}: ${print(entry)}`).join('\n')} }`
}

export async function bindings() {
  const abis = NAMES.map((name) => {
    const file = new URL(`../../generated/contracts/${name}.json`, import.meta.url)
    return { name, abi: JSON.parse(readFileSync(file, 'utf8')).abi }
  })
  const part = (kind, print, keep = () => true) =>
    abis.map(({ name, abi }) => `readonly ${name}: ${section(abi.filter(keep), kind, print)}`).join('\n')
  const reads = (entry) => ['view', 'pure'].includes(entry.stateMutability)
  const writes = (entry) => !reads(entry)
  const text = `// Made by bindings.mjs from the contracts' ABIs. Do not edit.
    import type { Hex } from './hex.js'
    /** Arguments of each event. */
    export interface Events { ${part('event', (e) => fields(e.inputs))} }
    /** Arguments of each custom error. */
    export interface Errors { ${part('error', (e) => fields(e.inputs))} }
    /** Functions that read. */
    export interface Reads { ${part('function', (f) => `{ inputs: ${inputs(f.inputs)}; output: ${output(f.outputs)} }`, reads)} }
    /** Functions that write. */
    export interface Writes { ${part('function', (f) => inputs(f.inputs), writes)} }
  `
  return format(text, { ...(await resolveConfig(target)), filepath: target })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(target, await bindings())
