import { ConsentryError } from '../../errors.js'
import type { Hex } from '../../ledger/hex.js'
import { bytes, type Check, type Finding, hex, type Material, PAGE, reason, type ToldReceipt } from './check.js'
import { HeldFragments } from './held-fragments.js'
import { RequestsTold } from './requests-told.js'

const CHECK = 'receipts'

/**
 * What proxies signed that they did for us, kept here and as they tell it now: each receipt is of its proxy and in one chain, the trail
 * tells of each re-encryption, no key was opened without, and what was revoked is deleted. A proxy that does not answer is named in what was looked at.
 */
export const receipts: Check = async function* (material) {
  const keys = receiptKeys(material)
  const told = new RequestsTold(material)
  const kept = new Map<Hex, Map<number, Link>>()
  const named = new Set<string>()
  let count = 0
  for await (const page of keptReceipts(material)) {
    count += page.length
    const sound: ToldReceipt[] = []
    for (const { place, hash, body } of page) {
      let receipt: ToldReceipt
      try {
        receipt = material.readReceipt(JSON.parse(body) as unknown)
      } catch (error) {
        yield { check: CHECK, where: place, what: reason(error) }
        continue
      }
      if (hex(Buffer.from(receipt.hash, 'base64')) !== hash) {
        yield { check: CHECK, where: place, what: 'The receipt that is kept is not what its row says: it was changed.' }
        continue
      }
      if (!isSigned(keys, receipt)) {
        yield { check: CHECK, where: place, what: 'The receipt is not signed by a key that its proxy announced.' }
        continue
      }
      sound.push(receipt)
      for (const capsule of receipt.capsules) named.add(capsule)
      const chain = kept.get(receipt.proxy) ?? new Map<number, Link>()
      kept.set(receipt.proxy, chain)
      yield* placed(chain, receipt, place)
    }
    yield* told.missing(sound)
  }
  yield* keysWithoutReceipt(material, named)
  const silent: string[] = []
  for (const proxy of serving(material)) {
    const unknown = yield* chainOf(material, proxy, keys, kept.get(proxy.id) ?? new Map())
    if (unknown === null) silent.push(short(proxy.id))
    else yield* told.missing(unknown)
  }
  const unheard = silent.length === 0 ? '' : `; not heard: ${silent.join(', ')}`
  return `${count} receipts kept, ${serving(material).length} proxies asked${unheard}`
}

interface KeptRow {
  readonly place: string
  readonly hash: Hex
  readonly body: string
}

async function* keptReceipts({ database }: Material): AsyncGenerator<KeptRow[]> {
  for (let after: [Buffer, bigint, Buffer] = [Buffer.alloc(0), -1n, Buffer.alloc(0)]; ;) {
    const { rows } = await database.query<{ proxy: Buffer; sequence: bigint; hash: Buffer; body: string }>(
      `SELECT proxy, sequence, hash, body FROM proxy_receipt WHERE (proxy, sequence, hash) > ($1, $2, $3)
       ORDER BY proxy, sequence, hash LIMIT $4`,
      [...after, PAGE],
    )
    const last = rows.at(-1)
    if (last === undefined) return
    after = [last.proxy, last.sequence, last.hash]
    yield rows.map(({ proxy, sequence, hash, body }) => ({ place: at(hex(proxy), sequence), hash: hex(hash), body }))
  }
}

/** The receipt beside those of its proxy that are kept. */
function* placed(chain: Map<number, Link>, receipt: ToldReceipt, where: string): Generator<Finding> {
  const { sequence } = receipt
  const same = chain.get(sequence)
  if (same !== undefined) {
    yield { check: CHECK, where, what: 'The proxy signed two receipts under this number.' }
    return
  }
  chain.set(sequence, { hash: receipt.hash })
  const before = chain.get(sequence - 1)
  if (before !== undefined && before.hash !== receipt.previous) {
    yield { check: CHECK, where, what: 'The receipt does not follow the one that the proxy gave before.' }
  }
}

/** Keys of other authors' capsules, which nobody but proxies can have opened. */
async function* keysWithoutReceipt({ database }: Material, named: ReadonlySet<string>): AsyncGenerator<Finding> {
  for (let after: Uint8Array = Buffer.alloc(0); ;) {
    const { rows } = await database.query<{ id: Buffer }>(
      'SELECT id FROM capsule_key WHERE imported AND id > $1 ORDER BY id LIMIT $2',
      [after, PAGE],
    )
    const last = rows.at(-1)
    if (last === undefined) return
    after = last.id
    for (const { id } of rows) {
      if (named.has(id.toString('base64'))) continue
      const what = 'The key of the capsule was opened, and no receipt of a proxy is kept of it: one was removed.'
      yield { check: CHECK, where: `capsule ${short(hex(id))}`, what }
    }
  }
}

/** What is remembered of a receipt that is kept. */
interface Link {
  readonly hash: string
}

/**
 * Follows the chain of a proxy as it tells it now, past what is kept.
 * @returns re-encryptions for us that are not kept; `null` when it does not answer
 */
async function* chainOf(
  material: Material,
  proxy: Proxy,
  keys: ReadonlyMap<Hex, readonly Uint8Array[]>,
  kept: ReadonlyMap<number, Link>,
): AsyncGenerator<Finding, ToldReceipt[] | null> {
  const unknown: ToldReceipt[] = []
  const held = new HeldFragments(material, proxy.id)
  let [next, before] = [0, '']
  for (;;) {
    const page = await asked(material, proxy, next)
    if (page === null) return null
    if (typeof page === 'string') {
      yield { check: CHECK, where: at(proxy.id, next), what: page }
      return unknown
    }
    for (const link of page) {
      const where = at(proxy.id, link.sequence)
      const full = 'kind' in link ? link : null
      const sound = full === null || (full.proxy === proxy.id && isSigned(keys, full))
      if (!sound) yield { check: CHECK, where, what: 'The receipt that the proxy tells is not signed by it.' }
      if (link.sequence !== next || (full !== null && full.previous !== before)) {
        yield {
          check: CHECK,
          where,
          what: 'The chain that the proxy tells is broken: a receipt is missing or was changed.',
        }
        return unknown
      }
      const known = kept.get(link.sequence)
      if (known !== undefined && known.hash !== link.hash) {
        yield { check: CHECK, where, what: 'The proxy tells another receipt than the one that it gave us.' }
      }
      if (full !== null && sound) held.follow(full)
      const ours = full?.kind === 'reencrypted' && full.grantee === material.entity
      if (ours && sound && known === undefined) unknown.push(full)
      ;[next, before] = [link.sequence + 1, link.hash]
    }
    if (page.length === 0) break
  }
  const last = Math.max(-1, ...kept.keys())
  if (last >= next) {
    const what = `The proxy tells ${next} receipts, and gave us one of this number: it has cut its chain off.`
    yield { check: CHECK, where: at(proxy.id, last), what }
  }
  yield* held.findings()
  return unknown
}

/** `null`: it does not answer; a text: why what it answers is no chain of receipts. */
async function asked(
  material: Material,
  proxy: Proxy,
  since: number,
): Promise<Awaited<ReturnType<Material['askReceipts']>> | string | null> {
  try {
    return await material.askReceipts(proxy, since)
  } catch (error) {
    if (!(error instanceof ConsentryError)) throw error
    return error.kind === 'unavailable' ? null : error.message
  }
}

interface Proxy {
  readonly id: Hex
  readonly endpoint: string
}

/** As they announced themselves last. */
function serving({ history }: Material): Proxy[] {
  const proxies = new Map<Hex, Proxy>()
  for (const event of history.events) {
    if (event.name === 'ProxyAnnounced')
      proxies.set(event.args.proxy, { id: event.args.proxy, endpoint: event.args.endpoint })
    if (event.name === 'ProxyWithdrawn') proxies.delete(event.args.proxy)
  }
  return [...proxies.values()]
}

/** Receipts of before verify under the key of before. */
function receiptKeys({ history }: Material): Map<Hex, Uint8Array[]> {
  const keys = new Map<Hex, Uint8Array[]>()
  for (const event of history.events) {
    if (event.name !== 'ProxyAnnounced') continue
    const known = keys.get(event.args.proxy) ?? []
    keys.set(event.args.proxy, [...known, bytes(event.args.receiptKey)])
  }
  return keys
}

function isSigned(keys: ReadonlyMap<Hex, readonly Uint8Array[]>, receipt: ToldReceipt): boolean {
  return (keys.get(receipt.proxy) ?? []).some((key) => receipt.isSignedBy(key))
}

const short = (id: Hex): string => id.slice(0, 10)
const at = (proxy: Hex, sequence: number | bigint): string => `receipt ${sequence} of proxy ${short(proxy)}`
