import type { ConsentMirror } from '../consent/mirror.js'
import type { PartyId } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'
import type { ChainEvent } from '../ledger/chain.js'
import type { ChainStep } from '../ledger/sink.js'
import type { Sql } from '../records/database.js'
import { rawCid } from '../vault/envelope.js'
import { accountOf, decodeManifest, manifestRoot } from './manifest.js'
import type { RemoteBlocks } from './remote-blocks.js'

/** Kinds of outbox items that the ledger's events make for the exchange. */
export type ExchangeWork = 'manifest' | 'package' | 'purge'

/** A batch of another entity as the ledger tells it. */
export interface AnchoredManifest {
  readonly origin: PartyId
  readonly root: string
  readonly digest: string
  /** Time of the block, seconds since the epoch; absent in what waits from before this was kept. */
  readonly at?: number | null
}

/**
 * What the ledger tells a grantee: batches of others, grants to it, revocations. Each becomes an outbox item in the
 * transaction that moves the cursor, so none is lost and none is done twice.
 */
export class Feeds {
  constructor(
    private readonly entity: PartyId,
    private readonly sql: Sql,
    private readonly mirror: ConsentMirror,
    private readonly remote: RemoteBlocks,
  ) {}

  async apply(tx: Sql, { events }: ChainStep): Promise<void> {
    const items = events.flatMap((event) => this.#workOf(event))
    if (items.length === 0) return
    await tx.query(
      `INSERT INTO outbox (kind, key, payload, due) SELECT kind, key, payload, 0
       FROM unnest($1::text[], $2::text[], $3::jsonb[]) AS i(kind, key, payload) ON CONFLICT (kind, key) DO NOTHING`,
      [items.map((i) => i.kind), items.map((i) => i.key), items.map((i) => JSON.stringify(i.payload))],
    )
  }

  /** What an undone block asked for is done anyway: each kind of work asks the mirror again before it acts. */
  async rollback(): Promise<void> {}

  /**
   * Reads one anchored batch of another entity into `feed_item`: digest, root and author key must be those of the ledger.
   * @throws ConsentryError `unavailable` while the block cannot be had, `integrity` for a manifest that is not the anchored one
   */
  async readManifest({ origin, root, digest, at = null }: AnchoredManifest): Promise<void> {
    const party = await this.mirror.party(origin)
    const cid = rawCid(Buffer.from(digest.slice(2), 'hex'))
    const blocks = await this.remote.get([cid], party?.endpoint ? [party.endpoint] : [])
    const manifest = decodeManifest(blocks.get(cid) as Uint8Array)
    const account = accountOf(manifest.authorKey)
    const operates = party !== null && (party.controller === account || party.operators.includes(account))
    if (manifest.entity !== origin || manifestRoot(manifest) !== root || !operates) {
      throw new ConsentryError('integrity', 'A manifest is not the one that its entity anchored.')
    }
    await this.sql.query(
      `INSERT INTO feed (origin, author_keys) VALUES ($1, ARRAY[$2::bytea])
       ON CONFLICT (origin) DO UPDATE SET author_keys = feed.author_keys || excluded.author_keys
       WHERE NOT feed.author_keys @> excluded.author_keys`,
      [bytes(origin), Buffer.from(manifest.authorKey)],
    )
    const tagged = manifest.entries.map((entry, index) => ({ ...entry, index })).filter(({ tags }) => tags.length > 0)
    await this.sql.query(
      `INSERT INTO feed_item (origin, root, leaf_index, cid, leaf, tags, state, anchored_at)
       SELECT $1, $2, i.leaf_index, i.cid, i.leaf, ARRAY(SELECT decode(t, 'hex') FROM unnest(string_to_array(i.tags, ',')) t), 'seen', $7
       FROM unnest($3::int[], $4::text[], $5::bytea[], $6::text[]) AS i(leaf_index, cid, leaf, tags)
       ON CONFLICT DO NOTHING`,
      [
        bytes(origin),
        bytes(root),
        tagged.map(({ index }) => index),
        tagged.map((entry) => entry.cid),
        tagged.map(({ leaf }) => Buffer.from(leaf)),
        tagged.map(({ tags }) => tags.map((tag) => Buffer.from(tag).toString('hex')).join(',')),
        at,
      ],
    )
  }

  /** Keys that an entity's envelopes are signed with. */
  async authorKeys(origin: PartyId): Promise<Uint8Array[]> {
    const { rows } = await this.sql.query<{ author_keys: Buffer[] }>('SELECT author_keys FROM feed WHERE origin = $1', [
      bytes(origin),
    ])
    return rows[0]?.author_keys ?? []
  }

  #workOf({
    name,
    args,
    block,
    transactionHash,
    logIndex,
  }: ChainEvent): { kind: ExchangeWork; key: string; payload: unknown }[] {
    const key = `${transactionHash}:${logIndex}`
    switch (name) {
      case 'RecordsAnchored':
        if (args['entity'] === this.entity) return []
        return [
          {
            kind: 'manifest',
            key,
            payload: { origin: args['entity'], root: args['root'], digest: args['manifest'], at: block.timestamp },
          },
        ]
      case 'ConsentGranted':
        if (args['grantee'] !== this.entity || /^0x0*$/.test(args['packageHash'] as string)) return []
        return [{ kind: 'package', key, payload: { patient: args['patient'], digest: args['packageHash'] } }]
      case 'ConsentRevoked':
        return args['grantee'] === this.entity ? [{ kind: 'purge', key, payload: { patient: args['patient'] } }] : []
      case 'AllConsentsRevoked':
        return [{ kind: 'purge', key, payload: { patient: args['patient'] } }]
      default:
        return []
    }
  }
}

function bytes(value: string): Buffer {
  return Buffer.from(value.slice(2), 'hex')
}
