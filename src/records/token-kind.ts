/** What a token is about; part of the text that is hashed, so it never changes. */
export type Kind =
  | 'code' // a code of any system
  | 'system-code' // a code of this system, '' meaning none
  | 'system' // any code of this system
  | 'prefix' // the beginning of a normalised string
  | 'exact' // a string as written
  | 'whole' // a normalised string
  | 'uri'
  | 'reference' // type/id
  | 'url' // a reference elsewhere or a canonical
  | 'identifier-code'
  | 'identifier-system-code'
  | 'identifier-system'
  | 'order' // the parameter of an ordered row
  | 'unit-code'
  | 'unit-system-code'
  | 'unit-dimension' // of an amount in base units
  | 'unit-of' // the system and code of a composite, among the units of its row
  | 'present' // the parameter finds something
  | 'part' // up to LONGEST_PART characters anywhere in a normalised string
  | 'word' // of the text of a code
  | 'typed' // an identifier with a type
  | 'within' // a URL or what it lies below, a canonical or what its version is part of
  | 'composite'
  | 'order-canonical' // the parameter of a row in base units
  | 'order-code' // the parameter of a composite's row
  | 'sort' // the parameter of a row that only sorts
  | 'sort-tail'
  | 'group' // the parameter of a row that groups
  | 'member' // of a group
  | 'cell' // of the globe
  | 'position' // the parameter of a row with a sealed position
  | 'claim'
  | 'facet' // what a record is, who wrote it or what it refers to, for policy documents

/** No system and code give the text of another pair. */
export function pair(system: string, code: string): string {
  return `${system.length}|${system}|${code}`
}
