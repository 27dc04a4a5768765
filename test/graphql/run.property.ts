import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { runGraphql } from '../../src/graphql/run.js'
import { MemorySource, startGraphql } from './support.js'

const graphql = startGraphql()

const word = fc.constantFrom(
  ...[
    '{',
    '}',
    '(',
    ')',
    ':',
    '[',
    ']',
    '"a"',
    '$v',
    '...',
    '... on Patient',
    '...f',
    'fragment f on Resource',
    'query($v: String)',
  ],
  ...[
    'Patient',
    'PatientList',
    'ObservationConnection',
    'id',
    'name',
    'subject',
    'resource',
    'edges',
    'type',
    'a',
    '1',
    'true',
  ],
  ...[
    '@flatten',
    '@first',
    '@singleton',
    '@slice(path: "use")',
    '@include(if: $v)',
    '_reference',
    'family',
    'given',
    '__typename',
  ],
)
/** Words that make a whole query more often than chance would. */
const sound = fc
  .tuple(
    fc.constantFrom(
      'Patient(id: a)',
      'PatientList(name: x)',
      'PatientList(_id: [a, b])',
      'PatientConnection(_count: 1)',
    ),
    fc.constantFrom('', '@flatten', '@first', '@singleton', '@slice(path: "$index")', '@skip(if: $v)'),
    fc.constantFrom(
      '{ id }',
      '{ name @flatten { family } }',
      '{ name(use: usual) { given @first } }',
      '{ edges { resource { id } } }',
    ),
  )
  .map(
    ([field, directive, selection]) =>
      `query ${directive.includes('$v') ? '($v: Boolean)' : ''} { ${field} ${directive} ${selection} }`,
  )

describe('runGraphql', () => {
  it('answers whatever it is asked, with data or with errors', async () => {
    const name = [{ use: 'usual', family: 'x', given: ['y', 'z'] }, null, { family: 'w' }]
    const resources = ['a', 'b'].map((id) => ({ resourceType: 'Patient', id, name }))
    const query = fc.oneof(
      fc.array(word, { maxLength: 25 }).map((words) => words.join(' ')),
      fc.string({ unit: 'binary', maxLength: 30 }),
      sound,
    )
    const instance = fc.option(
      fc.record({ type: fc.constantFrom('Patient', 'Nonsense'), id: fc.constantFrom('a', 'c"') }),
      {
        nil: undefined,
        freq: 1,
      },
    )
    let answered = 0
    await fc.assert(
      fc.asyncProperty(
        query,
        instance,
        fc.dictionary(fc.constantFrom('v', 'w'), fc.jsonValue()),
        async (text, about, variables) => {
          const request = { query: text, variables, ...(about === undefined ? {} : { instance: about }) }
          const answer = await runGraphql(graphql.server, request, new MemorySource(resources), '')
          if (answer.errors === undefined) answered++
          else {
            expect(answer.data).toBeNull()
            expect(answer.errors.length).toBeGreaterThan(0)
            // nothing that the engine itself tripped over
            expect(answer.status).not.toBe(500)
          }
          JSON.stringify(answer)
        },
      ),
      { numRuns: 1000 },
    )
    expect(answered).toBeGreaterThan(20)
  })
})
