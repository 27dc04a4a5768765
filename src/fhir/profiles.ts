import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Issue } from '../errors.js'
import { Canonicals } from './canonicals.js'
import { baseProfiles, projectFolder } from './definitions/structures.js'
import { isResource } from './is-resource.js'
import { parseJson } from './json.js'
import { r4Terminology, Terminology } from './terminology.js'
import type { Resource, ValidResource } from './types.js'
import { alone } from './validation/profile/match.js'
import { DocumentJudgement } from './validation/profile/document-judgement.js'
import { checkTargetsExist } from './validation/profile/existence.js'
import { Extensions } from './validation/profile/extensions.js'
import { overlay } from './validation/profile/overlay.js'
import { shapeOf } from './validation/profile/shape.js'
import { profileTree, type ProfileNode } from './validation/profile/tree.js'
import { type OpenBinding, Walk, WALK_LIMITS } from './validation/walk.js'

/** What it means that a resource claims a profile that is not loaded. */
export type UnknownProfiles = 'ignore' | 'warning' | 'error'

export interface ProfilesOptions {
  readonly unknownProfiles?: UnknownProfiles
  /** Canonicals of profiles that every resource of their type must conform to, claimed or not. */
  readonly always?: readonly string[]
}

export interface JudgeOptions {
  /** Profiles to judge by besides those that the resource claims. */
  readonly profiles?: readonly string[]
  /** Also what never refuses a resource: warnings, and what could not be checked and why. */
  readonly warnings?: boolean
  /** Elements and invariants that may be looked at; beyond, the verdict is not complete. */
  readonly steps?: number
  /** Whether references within a document may lead out of it. */
  readonly targets?: 'may-dangle' | 'must-exist'
}

/** What profiles say of a resource; `open` are bindings that only a terminology server can decide. */
export interface Verdict {
  readonly issues: readonly Issue[]
  readonly open: readonly OpenBinding[]
  /** False if it took more steps than allowed; an issue says so, too. */
  readonly complete: boolean
}

/** One that a resource can claim: no extension, no data type, no logical model. */
function isResourceProfile({ kind, derivation, url }: Resource): boolean {
  return kind === 'resource' && derivation === 'constraint' && typeof url === 'string'
}

/**
 * Profiles (https://hl7.org/fhir/R4/profiling.html) compiled from StructureDefinitions, with the value sets and code
 * systems that came with them, on top of R4's own extensions, profiles and terminology. A resource is validated
 * against R4 first; a profile then adds what its differential says, and so does each profile that it is based on.
 */
export class Profiles {
  readonly terminology: Terminology
  private readonly definitions: Canonicals
  private readonly trees = new Map<Resource, ProfileNode>()

  private readonly unknownProfiles: UnknownProfiles
  /** Canonicals by the type that must conform to them. */
  private readonly always = new Map<string, string[]>()
  private readonly ofType: ReadonlyMap<unknown, readonly Resource[]>

  /**
   * @param conformance StructureDefinitions, ValueSets and CodeSystems; others are ignored
   * @throws RangeError for a profile in `always` that is not among them
   */
  constructor(conformance: readonly Resource[], options: ProfilesOptions = {}) {
    const { unknownProfiles = 'warning', always = [] } = options
    this.unknownProfiles = unknownProfiles
    const structures = conformance.filter(({ resourceType }) => resourceType === 'StructureDefinition')
    this.definitions = new Canonicals(structures)
    this.ofType = Map.groupBy(structures.filter(isResourceProfile), ({ type }) => type)
    this.terminology = new Terminology(conformance, r4Terminology())
    for (const url of always) {
      const type = this.definitionOf(url)?.['type']
      if (typeof type !== 'string') throw new RangeError(`The profile ${url} is not loaded.`)
      this.always.set(type, [...(this.always.get(type) ?? []), url])
    }
  }

  has(canonical: string): boolean {
    return this.definitionOf(canonical) !== undefined
  }

  /** Canonicals of the profiles of a resource type that were loaded here, in the order of the alphabet; R4's own come with every server. */
  loadedOf(type: string): string[] {
    return [...new Set((this.ofType.get(type) ?? []).map(({ url }) => String(url)))].toSorted()
  }

  /** The profiles of `meta.profile` that are known here. */
  claimedBy(resource: Resource): string[] {
    return (resource.meta?.profile ?? []).filter((url) => this.has(url))
  }

  /** What a resource breaks of the profiles that it claims and of the extensions that it carries; empty if nothing. */
  judge(resource: ValidResource, options: JudgeOptions = {}): readonly Issue[] {
    return this.verdict(resource, options).issues
  }

  /**
   * Judges a resource, and each resource inside of it, by the profiles that it claims, and every extension by its
   * definition.
   */
  verdict(resource: ValidResource, options: JudgeOptions = {}): Verdict {
    const { profiles = [], warnings = false, targets = 'may-dangle', steps = WALK_LIMITS.invariantSteps } = options
    const walk = new Walk(warnings)
    walk.budget = steps
    const judgement = new DocumentJudgement(resource, walk, this.treeOf, this.terminology)
    const extensions = new Extensions(judgement, this.definitionOf, isWidened, (inner) => {
      const { meta, resourceType } = inner as Resource
      const asked = inner === resource ? profiles : []
      for (const url of new Set([...asked, ...(this.always.get(resourceType) ?? []), ...(meta?.profile ?? [])])) {
        this.checkProfile(inner as Resource, url, judgement)
      }
    })
    walk.enter(resource.resourceType)
    walk.resource = resource
    extensions.visit(resource, undefined)
    if (targets === 'must-exist') checkTargetsExist(resource, judgement)
    const issues = walk.result()
    return { issues: withoutRepeats(issues), open: walk.openBindings, complete: !walk.exhausted }
  }

  /** What a resource breaks of one profile, claimed or not. @throws RangeError for an unknown profile */
  check(resource: ValidResource, url: string): readonly Issue[] {
    if (!this.has(url)) throw new RangeError(`The profile ${url} is not loaded.`)
    const walk = new Walk(false)
    const judgement = new DocumentJudgement(resource, walk, this.treeOf, this.terminology)
    walk.enter(resource.resourceType)
    walk.inResource(resource, () => this.checkProfile(resource, url, judgement))
    return walk.result()
  }

  /** Keys of constraints of a profile that are outside the compiled FHIRPath, so that nothing is said by them. */
  uncheckedIn(url: string): string[] {
    const tree = this.treeOf(url)
    return tree === undefined ? [] : uncheckedBelow(tree)
  }

  private checkProfile(resource: Resource, url: string, judgement: DocumentJudgement): void {
    const { walk } = judgement
    const tree = this.treeOf(url)
    if (tree !== undefined) {
      if (tree.name === resource.resourceType) judgement.check(alone(resource), tree)
      else walk.error('structure', `the profile is of ${tree.name}.`)
    } else if (url.replace(R4_STRUCTURE, '') !== resource.resourceType && this.unknownProfiles !== 'ignore') {
      walk.add(
        this.unknownProfiles,
        'not-found',
        `the profile ${shown(url)} is not loaded, so nothing was checked by it.`,
      )
    }
  }

  private readonly definitionOf = (canonical: string): Resource | undefined =>
    this.definitions.get(canonical) ?? base().get(canonical)

  private readonly treeOf = (canonical: string): ProfileNode | undefined => this.treeAbove(canonical, 0)

  /** The profile laid over the profiles under it. */
  private treeAbove(canonical: string, height: number): ProfileNode | undefined {
    const definition = this.definitionOf(canonical)
    if (definition === undefined || height > MAX_HEIGHT) return undefined
    const known = this.trees.get(definition)
    if (known !== undefined) return known
    const own = profileTree(definition, this.terminology)
    const { baseDefinition } = definition
    const under = typeof baseDefinition === 'string' ? this.treeAbove(baseDefinition, height + 1) : undefined
    const tree = under === undefined ? own : overlay(under, own)
    this.trees.set(definition, tree)
    return tree
  }
}

const uncheckedBelow = ({ unchecked, children }: ProfileNode): string[] => [
  ...unchecked,
  ...children.flatMap(uncheckedBelow),
]

/** Profiles on profiles, and not in a circle. */
const MAX_HEIGHT = 20
const R4_STRUCTURE = /^http:\/\/hl7\.org\/fhir\/StructureDefinition\/(?=\w+$)/

/** The canonical came with the resource: only what looks like one is repeated. */
const shown = (url: string): string => (/^[A-Za-z0-9:/.|_-]{1,200}$/.test(url) ? url : 'of meta.profile')

/** Profiles that share one under them say the same things. */
function withoutRepeats(issues: readonly Issue[]): Issue[] {
  return [...new Map(issues.map((issue) => [`${issue.severity} ${issue.diagnostics}`, issue])).values()]
}

/**
 * HL7 publishes conformance resources with extensions of R4 in places and with codes that R4 did not foresee: it widened
 * them later without a new url. There they are only warned of.
 */
function isWidened(definition: Resource, within: object): boolean {
  return (
    isConformance(String((within as Resource).resourceType)) && base().get(String(definition['url'])) === definition
  )
}

/** A type whose instances have a canonical URL and a publisher, such as ValueSet. */
function isConformance(type: string): boolean {
  const shape = shapeOf(type)
  return shape.get('url')?.type === 'uri' && shape.has('publisher')
}

let r4: Canonicals | undefined

function base(): Canonicals {
  r4 ??= new Canonicals(baseProfiles())
  return r4
}

/** The conformance resources of a package folder: every JSON file in it that is a resource. */
export function readPackage(folder: string): Resource[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json') && name !== 'package.json')
    .map((name): unknown => parseJson(readFileSync(join(folder, name))))
    .filter(isResource)
}

let definitions: readonly Resource[] | undefined
let own: Profiles | undefined

/** The conformance resources of `fhir-profiles/`, read once. */
export function ownDefinitions(): readonly Resource[] {
  definitions ??= readPackage(projectFolder('fhir-profiles'))
  return definitions
}

/** The profiles of `fhir-profiles/`. */
export function ownProfiles(): Profiles {
  own ??= new Profiles(ownDefinitions())
  return own
}
