import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Issue } from '../errors.js'
import { projectFolder } from './definitions/structures.js'
import { parseJson } from './json.js'
import type { Resource, ValidResource } from './types.js'
import { checkProfile } from './validation/profile/check.js'
import { checkExtensions } from './validation/profile/extensions.js'
import { expansionsOf } from './validation/profile/expand.js'
import { profileTree, type ProfileNode } from './validation/profile/tree.js'
import { Walk } from './validation/walk.js'

/**
 * Profiles (https://hl7.org/fhir/R4/profiling.html) compiled from StructureDefinitions, with the value sets and code
 * systems that came with them. A resource is validated against R4 first; a profile then adds what its differential
 * says, and so does each profile that it is based on.
 */
export class Profiles {
  private readonly definitions: ReadonlyMap<string, Resource>
  private readonly trees = new Map<string, ProfileNode>()
  private readonly expansions

  /** @param conformance StructureDefinitions, ValueSets and CodeSystems; others are ignored */
  constructor(conformance: readonly Resource[]) {
    this.definitions = new Map(
      conformance.flatMap((r) => (r.resourceType === 'StructureDefinition' ? [[r['url'] as string, r]] : [])),
    )
    this.expansions = expansionsOf(conformance)
  }

  has(url: string): boolean {
    return this.definitions.has(url.split('|')[0] ?? '')
  }

  /** The profiles of `meta.profile` that are known here. */
  claimedBy(resource: Resource): string[] {
    return (resource.meta?.profile ?? []).filter((url) => this.has(url))
  }

  /** What a resource breaks of the profiles that it claims and of the extensions that it carries; empty if nothing. */
  judge(resource: ValidResource): Issue[] {
    const claimed = this.claimedBy(resource).flatMap((url) => this.check(resource, url))
    const walk = walkFrom(resource)
    checkExtensions(resource, walk, (url) => this.definitions.get(url), this.treeOf)
    return [...claimed, ...walk.result()]
  }

  /** What a resource breaks of one profile, claimed or not. @throws RangeError for an unknown profile */
  check(resource: ValidResource, url: string): Issue[] {
    const walk = walkFrom(resource)
    for (const tree of this.chain(url)) {
      if (tree.name === resource.resourceType) checkProfile(resource, tree, walk, this.treeOf)
      else walk.error('structure', `the profile is of ${tree.name}.`)
    }
    return walk.result()
  }

  /** The profile and the profiles under it, the lowest first. */
  private chain(url: string): ProfileNode[] {
    const tree = this.treeOf(url)
    if (tree === undefined) throw new RangeError(`The profile ${url} is not loaded.`)
    const base = this.definitions.get(url.split('|')[0] ?? '')?.['baseDefinition']
    return typeof base === 'string' && this.has(base) ? [...this.chain(base), tree] : [tree]
  }

  private readonly treeOf = (canonical: string): ProfileNode | undefined => {
    const url = canonical.split('|')[0] ?? ''
    const definition = this.definitions.get(url)
    if (definition === undefined) return undefined
    let tree = this.trees.get(url)
    if (tree === undefined) {
      tree = profileTree(definition, this.expansions)
      this.trees.set(url, tree)
    }
    return tree
  }
}

function walkFrom(resource: ValidResource): Walk {
  const walk = new Walk(false)
  walk.enter(resource.resourceType)
  walk.resource = resource
  walk.frame = { root: resource, mentions: new Set(), localReferences: [] }
  return walk
}

/** The conformance resources of a package folder: every JSON file in it that is a resource. */
export function readPackage(folder: string): Resource[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json') && name !== 'package.json')
    .map((name) => parseJson(readFileSync(join(folder, name))) as unknown as Resource)
}

let own: Profiles | undefined

/** The profiles of `fhir-profiles/`, read once. */
export function ownProfiles(): Profiles {
  own ??= new Profiles(readPackage(projectFolder('fhir-profiles')))
  return own
}
