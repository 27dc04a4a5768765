import type { SortForm } from './index-value.js'
import { isPhonetic } from './phonetic.js'
import type { SearchParameter } from './table.js'

/** Codings come from few code systems, whose order with the frequency of each code would tell which is which. */
const CODED: ReadonlySet<string> = new Set(['Coding', 'CodeableConcept'])

/** How the values of a parameter are kept for an order; undefined where what finds them has an order already, or there is none. */
export function sortForm(parameter: Pick<SearchParameter, 'kind' | 'code' | 'paths'>): SortForm | undefined {
  const { kind, code, paths } = parameter
  switch (kind) {
    case 'string':
      return isPhonetic(parameter) ? undefined : 'text'
    case 'uri':
      // one of a kind in most resources; profiles and sources are few, and a row for each resource would cost too much
      return code === 'url' ? 'text' : 'name'
    case 'token':
      return paths.some(([, type]) => CODED.has(type)) ? 'name' : 'text'
    default:
      return undefined
  }
}
