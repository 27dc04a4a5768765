import type { Terminology } from '../../terminology.js'
import type { Surroundings } from '../fhirpath/items.js'
import type { Walk } from '../walk.js'
import { codesOf } from './binding.js'
import { checkNode } from './check.js'
import { ResolvableDocument } from './document.js'
import type { Judgement, TreeOf } from './judgement.js'
import { alone, type ElementValue } from './match.js'
import type { ProfileNode } from './tree.js'

/** The judgement of one document: its references resolve among its own resources. */
export class DocumentJudgement implements Judgement, Surroundings {
  private readonly document: ResolvableDocument
  private readonly answers = new Map<unknown, Map<ProfileNode, boolean>>()

  constructor(
    root: object,
    readonly walk: Walk,
    readonly treeOf: TreeOf,
    private readonly terminology: Terminology,
  ) {
    this.document = new ResolvableDocument(root)
    walk.surroundings = this
  }

  resolve(reference: string, from: object = this.walk.resource): object | undefined {
    return this.document.resolve(reference, from)
  }

  check(one: ElementValue, node: ProfileNode): void {
    checkNode(one, node, this)
  }

  /** Asked once of each value and node, and taken to hold while that is being found out. */
  conforms(one: ElementValue, node: ProfileNode): boolean {
    const { value } = one
    const answers = this.answers.get(value) ?? new Map<ProfileNode, boolean>()
    if (typeof value === 'object') this.answers.set(value, answers)
    const known = answers.get(node)
    if (known !== undefined) return known
    answers.set(node, true)
    const answer = this.walk.silently(() => this.check({ ...one, steps: [] }, node))
    answers.set(node, answer)
    return answer
  }

  memberOf(value: unknown, valueSet: string): boolean | undefined {
    const answers = codesOf(value).map((code) => this.terminology.holds(valueSet, code))
    if (answers.includes('in')) return true
    return answers.includes('unknown') ? undefined : false
  }

  conformsTo(resource: object, profile: string): boolean | undefined {
    const tree = this.treeOf(profile)
    return tree && this.conforms(alone(resource), tree)
  }
}
