import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readConfig } from '../config.js'
import { administratorKey } from '../embedded/entity-keys.js'
import { fund, register, type RegistrationRequest, requireAdministrator } from '../embedded/registration.js'
import { type Deployment, verifyDeployment } from '../ledger/deploy.js'
import { LedgerReader } from '../ledger/reads.js'
import { Rpc } from '../ledger/rpc.js'
import { TransactionSender } from '../ledger/sender.js'
import { Keystore } from '../vault/keystore.js'
import { commandLine } from './arguments.js'

const USAGE = `Registers an entity or a proxy on the ledger, with the administrator's key of this data directory.

  npm run register -- entity '{"id":"0x…","controller":"0x…","encryptionKey":"0x…","endpoint":"https://…"}'
  npm run register -- proxy  '…'

A gateway or proxy prints this line when it starts unregistered.`

const DEVELOPMENT_CHAIN = 31_337

async function main(): Promise<void> {
  const [kind, text] = commandLine(USAGE, { allowPositionals: true }).positionals
  if ((kind !== 'entity' && kind !== 'proxy') || text === undefined) {
    process.stderr.write(`${USAGE}\n`)
    process.exit(2)
  }
  const request = requestIn(text)
  const config = readConfig()
  const read = (name: string): string => readFileSync(join(config.dataDirectory, name), 'utf8')
  if (!existsSync(join(config.dataDirectory, 'deployment.json'))) {
    throw new Error(
      `Nobody has deployed contracts from ${config.dataDirectory}, so the administrator's key is not there: name the directory that has with CONSENTRY_DATA.`,
    )
  }
  const deployment = JSON.parse(read('deployment.json')) as Deployment
  const rpcUrl =
    config.ethRpcUrl ?? `http://127.0.0.1:${(JSON.parse(read('chain/chain.json')) as { port: number }).port}`
  const passphrase = config.keystorePassphrase ?? read('passphrase').trim()
  const keystore = await Keystore.open(join(config.dataDirectory, 'keystore.json'), passphrase)
  const rpc = new Rpc(rpcUrl)
  const reader = new LedgerReader(rpc, await verifyDeployment(rpc, deployment))
  const signer = await administratorKey(keystore)
  await requireAdministrator(reader, signer.address)
  if (deployment.chainId === DEVELOPMENT_CHAIN) await fund(rpc, deployment.chainId, [request.controller])
  const administrator = new TransactionSender({ rpc, chainId: deployment.chainId, signer })
  await register(reader, administrator, kind, request)
  await administrator.close()
  await rpc.close()
  console.log(`Registered the ${kind} ${request.id}.`)
}

/** @throws Error for what is not the line that a gateway or proxy prints */
function requestIn(text: string): RegistrationRequest {
  const value = objectIn(text)
  const wrong = Object.entries(PARTS).flatMap(([part, form]) =>
    form.test(String(value[part as keyof RegistrationRequest])) ? [] : part,
  )
  if (wrong.length === 0) return value as RegistrationRequest
  throw new Error(
    `This is not the line that an unregistered gateway or proxy prints, for it has no ${wrong.join(', ')} as that has: give it as one argument, in quotes.`,
  )
}

/** A party's id, an address, a compressed point of secp256k1, a URL. */
const PARTS: Readonly<Record<keyof RegistrationRequest, RegExp>> = {
  id: /^0x[0-9a-f]{64}$/i,
  controller: /^0x[0-9a-f]{40}$/i,
  encryptionKey: /^0x0[23][0-9a-f]{64}$/i,
  endpoint: /^https?:\/\/\S+$/,
}

function objectIn(text: string): Partial<Record<keyof RegistrationRequest, unknown>> {
  try {
    return Object(JSON.parse(text)) as object
  } catch {
    return {}
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
})
