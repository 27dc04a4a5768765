import type { Clause, Searched } from '../clauses/clause.js'

/*
 * What a search asks of the rows. Clauses are those of clauses/, and values of the index those of fhir/search/index-value.ts, so the
 * gateway passes them on as they are.
 */

export interface SearchQuery extends Searched {
  /** More types that are searched at once. What such a search is sorted by is of one form in all of them. */
  readonly also?: readonly Searched[]
  /** Absent: by last change, the newest first. */
  readonly sort?: readonly SortKey[]
  /** Rows a page; 0: only the total. */
  readonly count: number
  readonly total: boolean
  /** Of all that matches only the latest of each group. */
  readonly latest?: Latest
  /** With `total`: of more than so many there is none. */
  readonly totalUpTo?: number
  /** `next` or `previous` of another page. */
  readonly cursor?: string | undefined
}

/**
 * Of each group of the parameter `group` come the `most` of the latest `date`, and those of the same date as the last of them. What has no date
 * is older than what has one, and by its last change among its like. Two matches are of one group when they share a member, or are
 * joined by other matches that do; what has no members is a group by itself.
 */
export interface Latest {
  readonly group: string
  readonly date: string
  readonly most: number
}

/**
 * `ordered`: a date, number or quantity; `text`: a string, identifier or plain code; `name`: a coding or URL, by what its token stands for;
 * `reference`: what is referred to, by type and id, and what is elsewhere after it by its URL. `param` is empty for the other two.
 */
export interface SortKey {
  readonly by: 'lastUpdated' | 'id' | 'ordered' | 'text' | 'name' | 'reference'
  readonly param: string
  readonly descending: boolean
}

export interface IncludeQuery {
  readonly from: readonly { readonly type: string; readonly id: string }[]
  readonly includes: readonly Include[]
  /** Types that may be included. */
  readonly types: readonly string[]
  /** Types of which only what fulfils the clauses may be included. */
  readonly within: readonly { readonly type: string; readonly clauses: readonly Clause[] }[]
  /** Steps from the page, for includes that iterate. */
  readonly rounds: number
  readonly most: number
}

export interface Include {
  /** What refers to the rows, in place of what they refer to. */
  readonly reverse: boolean
  readonly iterate: boolean
  /** The referring type; absent: any. */
  readonly source?: string
  /** Names as in ReferenceEntry; `null`: all references. */
  readonly parameters: readonly string[] | null
  /** Type of what is referred to; absent: any. */
  readonly target?: string
}

/** What a search parameter finds in one place of a resource. */
export type IndexValue =
  | {
      readonly param: string
      readonly kind: 'token'
      readonly system?: string
      readonly code?: string
      readonly words?: readonly string[]
      readonly types?: readonly { readonly system: string; readonly code: string }[]
      readonly sort?: 'text' | 'name'
    }
  | {
      readonly param: string
      readonly kind: 'string'
      readonly value: string
      readonly normal: string
      readonly word?: true
    }
  | {
      readonly param: string
      readonly kind: 'uri'
      readonly value: string
      readonly within?: readonly string[]
      readonly sort?: 'text' | 'name'
    }
  | {
      readonly param: string
      readonly kind: 'reference'
      readonly type?: string
      readonly id?: string
      readonly url?: string
      readonly version?: string
      readonly within?: readonly string[]
      readonly identifier?: { readonly system?: string; readonly value: string }
    }
  | { readonly param: string; readonly kind: 'date'; readonly lo: number; readonly hi: number }
  | {
      readonly param: string
      readonly kind: 'number'
      readonly value: string
      readonly lo: string
      readonly hi: string
    }
  | {
      readonly param: string
      readonly kind: 'quantity'
      readonly value?: string
      readonly lo?: string
      readonly hi?: string
      readonly system?: string
      readonly code?: string
      readonly unit?: string
      readonly canonical?: CanonicalAmount
    }
  | { readonly param: string; readonly kind: 'group'; readonly members: readonly string[] }
  | { readonly param: string; readonly kind: 'position'; readonly lat: number; readonly lon: number }
  | { readonly param: string; readonly kind: 'composite'; readonly parts: readonly (readonly IndexValue[])[] }

export interface CanonicalAmount {
  readonly unit: string
  readonly value?: string
  readonly lo?: string
  readonly hi?: string
}
