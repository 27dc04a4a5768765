import type { Check } from './check.js'

/** The rows and the chain are of one history. */
export const cursor: Check = async function* ({ history }) {
  const at = history.cursor
  if (at === null) {
    yield { check: 'cursor', where: 'chain_cursor', what: 'The rows have never followed the chain.' }
    return 'nothing'
  }
  if (history.hashAtCursor !== at.hash) {
    yield {
      check: 'cursor',
      where: `block ${at.number}`,
      what:
        history.hashAtCursor === null
          ? 'The chain is shorter than what the rows have followed: blocks were lost, or the node is still catching up.'
          : 'The chain has another block than the one that the rows have followed: start the gateway, which follows the new fork.',
    }
  }
  return `up to block ${at.number}, ${history.events.length} events`
}
