import { compilePolicy, type PolicyDocument, policyHash, readPolicyDocument } from '../consent/policy-document.js'
import { keepPolicy, sealedPolicies } from '../consent/policy-rows.js'
import type { BlindIndex } from '../records/blind-index.js'
import type { Sql } from '../records/database.js'
import { unwrap, wrap } from '../vault/keys.js'

type Hex = `0x${string}`

const purposeOf = (hash: Hex): string => `consentry policy document ${hash}`

/**
 * Policy documents that this gateway enforces: those that were prepared here, and those that came with a grant to us. The rows hold them
 * sealed, and their rules by tokens and order alone.
 */
export class PolicyDocuments {
  /** @param master the entity's; 32 bytes */
  constructor(
    private readonly sql: Sql,
    private readonly index: BlindIndex,
    private readonly master: Uint8Array,
  ) {}

  /** From now on words that name it count. @throws ConsentryError `integrity` for what is no document that can be enforced */
  async keep(bytes: Uint8Array): Promise<Hex> {
    const document = readPolicyDocument(bytes)
    const hash = policyHash(bytes)
    await keepPolicy(this.sql, hash, wrap(this.master, bytes, purposeOf(hash)), compilePolicy(document, this.index))
    return hash
  }

  /** Those of them that are here. */
  async read(hashes: readonly Hex[]): Promise<Map<Hex, PolicyDocument>> {
    const texts = await this.texts(hashes)
    return new Map([...texts].map(([hash, bytes]) => [hash, readPolicyDocument(bytes)]))
  }

  /** As they were hashed. */
  async texts(hashes: readonly Hex[]): Promise<Map<Hex, Uint8Array>> {
    const sealed = await sealedPolicies(this.sql, [...new Set(hashes)])
    return new Map([...sealed].map(([hash, body]) => [hash, unwrap(this.master, body, purposeOf(hash))]))
  }
}
