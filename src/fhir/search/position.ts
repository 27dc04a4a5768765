import { isNumber, numberValue } from '../json.js'
import type { NearValue } from '../../clauses/clause.js'
import { unescape } from './escape.js'
import type { Element, Finding, Readers } from './finding.js'
import { Refusal } from './refusal.js'
import { canonicalAmount, UCUM } from './ucum.js'

/** Mean radius of the earth (IUGG), in metres: a sphere is right to half a percent. */
const EARTH_METRES = 6_371_008.8
/** "If the distance is omitted, then the server can use its own discretion" (https://hl7.org/fhir/R4/location.html#search). */
const DISTANCE = '50'
const UNIT = 'km'

export const readSpecial: Readers = { position }

/** Location.position: degrees of WGS 84. */
function position(value: unknown, { param, out }: Finding): void {
  const { latitude, longitude } = value as Element
  if (!isNumber(latitude) || !isNumber(longitude)) return
  const [lat, lon] = [numberValue(latitude), numberValue(longitude)]
  if (isOnEarth(lat, lon)) out.push({ param, kind: 'position', lat, lon })
}

function isOnEarth(lat: number, lon: number): boolean {
  return Math.abs(lat) <= 90 && Math.abs(lon) <= 180
}

const DEGREES = /^[+-]?\d{1,3}(?:\.\d{1,20})?$/
const AMOUNT = /^\d{1,9}(?:\.\d{1,9})?$/

/** `[latitude]|[longitude]|[distance]|[units]`, the last two if wanted; units are those of UCUM. @throws Refusal */
export function parseNear(text: string): NearValue {
  const [lat = '', lon = '', distance = '', unit = '', ...more] = text.split('|').map(unescape)
  const known = DEGREES.test(lat) && DEGREES.test(lon) && isOnEarth(Number(lat), Number(lon))
  if (!known || more.length > 0 || (distance !== '' && !AMOUNT.test(distance))) {
    throw new Refusal(
      'value',
      'is no place: write [latitude]|[longitude]|[distance]|[units] with degrees from -90 to 90 and from -180 to 180, as 48.2|16.37|5|km',
    )
  }
  const metres = canonicalAmount(UCUM, unit === '' ? UNIT : unit, { value: distance === '' ? DISTANCE : distance })
  if (metres?.unit !== 'm1' || metres.value === undefined) {
    throw new Refusal('value', 'has a unit that is no length of UCUM; write km, m, [mi_i] or [mi_us]')
  }
  return { lat: Number(lat), lon: Number(lon), metres: Number(metres.value) }
}

/** Great-circle distance in metres, by the haversine formula. */
export function distanceBetween(a: Omit<NearValue, 'metres'>, b: Omit<NearValue, 'metres'>): number {
  const half = (from: number, to: number): number => Math.sin(radians(to - from) / 2) ** 2
  const h = half(a.lat, b.lat) + Math.cos(radians(a.lat)) * Math.cos(radians(b.lat)) * half(a.lon, b.lon)
  return 2 * EARTH_METRES * Math.asin(Math.min(1, Math.sqrt(h)))
}

export const radians = (degrees: number): number => (degrees * Math.PI) / 180

/** What of the globe a circle reaches into: degrees, `east` above 180 where it goes over the date line. */
export interface Bounds {
  readonly south: number
  readonly north: number
  readonly west: number
  readonly east: number
}

/** Of a degree: 11 metres. Nearer to the pole the sine of what is across has too few digits. */
const NEAR_POLE = 1e-4

export function boundsOf({ lat, lon, metres }: NearValue): Bounds {
  const angle = metres / EARTH_METRES
  const span = (angle * 180) / Math.PI
  const [south, north] = [Math.max(lat - span, -90), Math.min(lat + span, 90)]
  // a circle with a pole in it has all longitudes, and so has one that only rounding keeps from it
  const wide = Math.sin(angle) / Math.cos(radians(lat))
  if (angle >= Math.PI / 2 || lat - span <= -90 + NEAR_POLE || lat + span >= 90 - NEAR_POLE || wide >= 1) {
    return { south, north, west: -180, east: 180 }
  }
  const across = (Math.asin(wide) * 180) / Math.PI
  return { south, north, west: lon - across, east: lon + across }
}
