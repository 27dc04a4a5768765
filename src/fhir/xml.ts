import { type JsonObject, parseJson, stringify } from './json.js'
import { parseXml } from './xml/read.js'
import { stringifyXml } from './xml/write.js'

export { parseXml, stringifyXml }

/** FHIR XML, https://hl7.org/fhir/R4/xml.html, from and to the bytes of FHIR JSON. */
export const fhirXml = {
  /** @throws ConsentryError `malformed` */
  toJson: (xml: Uint8Array): Uint8Array => Buffer.from(stringify(parseXml(xml))),
  fromJson: (json: Uint8Array, pretty: boolean): string => stringifyXml(parseJson(json) as JsonObject, pretty),
}
