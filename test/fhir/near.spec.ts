import { describe, expect, it } from 'vitest'
import { parseSearch } from '../../src/fhir/search-query.js'
import { indexValues } from '../../src/fhir/search-parameters.js'
import { matches, subjectOf } from '../../src/fhir/search/matches.js'
import { distanceBetween } from '../../src/fhir/search/position.js'
import type { ValidResource } from '../../src/fhir/types.js'

const at = (latitude: number, longitude: number) => ({
  resourceType: 'Location' as const,
  id: 'l',
  position: { latitude, longitude },
})
const parse = (near: string) => parseSearch('Location', [['near', near]])
const found = (near: string, place = at(48.2082, 16.3738)) => matches(subjectOf(place), parse(near))

describe('near', () => {
  it('measures as geodesists do, to half a percent', () => {
    // Vincenty on WGS 84: Paris – New York 5,852.9 km, Sydney – Santiago 11,337 km, both over a long way
    const paris = { lat: 48.8566, lon: 2.3522 }
    expect(distanceBetween(paris, { lat: 40.7128, lon: -74.006 }) / 5_852_900).toBeCloseTo(1, 2)
    const sydney = { lat: -33.8688, lon: 151.2093 }
    expect(distanceBetween(sydney, { lat: -33.4489, lon: -70.6693 }) / 11_337_000).toBeCloseTo(1, 2)
    expect(distanceBetween({ lat: 0, lon: 179.999 }, { lat: 0, lon: -179.999 })).toBeCloseTo(222.4, 0)
    expect(distanceBetween({ lat: 90, lon: 0 }, { lat: 90, lon: 120 })).toBeCloseTo(0, 3)
  })

  it('finds what lies within the distance, in kilometres unless another unit is given', () => {
    // some 9.05 km to the north-west
    const place = '48.27|16.29'
    expect(found(`${place}|9.5`)).toBe(true)
    expect(found(`${place}|9`)).toBe(false)
    expect(found(`${place}|9.5|km`)).toBe(true)
    expect(found(`${place}|9500|m`)).toBe(true)
    expect(found(`${place}|9000|m`)).toBe(false)
    expect(found(`${place}|5.9|[mi_i]`)).toBe(true)
    expect(found(`${place}|5.5|[mi_us]`)).toBe(false)
    expect(found(place)).toBe(true)
    expect(found('48.9|16.29')).toBe(false)
    expect(found('0|0|1,48.2|16.37|5')).toBe(true)
  })

  it.each([
    ['', undefined],
    ['48', 'is no place'],
    ['91|0', 'is no place'],
    ['0|181', 'is no place'],
    ['1|2|-3', 'is no place'],
    ['1|2|3|km|5', 'is no place'],
    ['1|2|3|kg', 'no length of UCUM'],
    ['1|2|3|mile', 'no length of UCUM'],
    ['a|b', 'is no place'],
    [Array.from({ length: 21 }, () => '1|2').join(','), 'allowed number of values'],
  ])('of %s is refused with what would be right', (near, word) => {
    if (word === undefined) expect(parse(near).clauses).toEqual([])
    else expect(() => parse(near)).toThrow(word)
  })

  it('indexes a position, and none that is nowhere', () => {
    const values = (place: object) => indexValues(place as ValidResource).filter(({ param }) => param === 'near')
    expect(values(at(48.2, -16))).toEqual([{ param: 'near', kind: 'position', lat: 48.2, lon: -16 }])
    expect(values(at(148.2, 16))).toEqual([])
    expect(values({ resourceType: 'Location', name: 'x' })).toEqual([])
  })
})
