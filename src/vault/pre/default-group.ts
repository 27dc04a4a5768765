import type { Group } from './group.js'
import { nativeGroup } from './native-group.js'
import { nobleGroup } from './noble-group.js'

/** libsecp256k1 where it can be loaded, @noble/curves elsewhere; the choice is ours and never changes at run time. */
export const defaultGroup: Group = nativeGroup ?? nobleGroup
