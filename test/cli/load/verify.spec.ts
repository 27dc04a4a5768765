import { expect, it } from 'vitest'
import { differencesOf } from '../../../src/cli/load/verify.js'
import { parseJson } from '../../../src/fhir/json.js'

const differ = (sent: string, found: string) => differencesOf(parseJson(sent), parseJson(found))

it('takes id, meta and what names other resources for the server’s own', () => {
  const sent = '{"id":"a","meta":{"x":1},"subject":{"reference":"urn:uuid:1"},"u":"urn:uuid:2","v":[1.50]}'
  expect(differ(sent, '{"id":"b","subject":{"reference":"Patient/1"},"u":"Patient/2","v":[1.50]}')).toEqual([])
})

it('finds every other difference, by its place', () => {
  expect(differ('{"v":1.50}', '{"v":1.5}')).toEqual(['v'])
  expect(differ('{"a":{"b":[1,2]}}', '{"a":{"b":[1,3]}}')).toEqual(['a.b[1]'])
  expect(differ('{"a":[1]}', '{"a":[1,1]}')).toEqual(['a'])
  expect(differ('{"a":1}', '{"b":1}')).toEqual(['a', 'b'])
  expect(differ('{"a":"x"}', '{"a":1}')).toEqual(['a'])
  expect(differ('{"contained":[{"id":"x"}]}', '{"contained":[{"id":"y"}]}')).toEqual(['contained[0].id'])
})
