/**
 * Whether a cache has the representation already: one of the entity tags that `If-None-Match` lists, compared weakly, or any
 * (https://www.rfc-editor.org/rfc/rfc9110#name-if-none-match).
 * @param is whether a tag of the list is that of the representation; what it throws is thrown
 */
export function isHeld(list: string | undefined, is: (tag: string) => boolean): boolean {
  if (list === undefined) return false
  return list.trim() === '*' || list.split(',').some((tag) => is(tag.trim()))
}
