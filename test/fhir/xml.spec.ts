import { describe, expect, it } from 'vitest'
import { ConsentryError } from '../../src/errors.js'
import { ExactNumber, type JsonObject, type JsonValue, parseJson, stringify } from '../../src/fhir/json.js'
import { parseXml, stringifyXml } from '../../src/fhir/xml.js'
import { decodeEntities } from '../../src/fhir/xml-text.js'
import { hasSharedData, listShared, readSharedBytes } from '../support/shared-data.js'

const FHIR = 'xmlns="http://hl7.org/fhir"'

describe('parseXml', () => {
  it('reads what XML shows otherwise than JSON', () => {
    const xml = `<?xml version="1.0" encoding="UTF-8"?>
      <Patient ${FHIR} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://hl7.org/fhir patient.xsd">
        <id value="a"/>
        <text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">a <b>c</b> &amp; d<br/></div></text>
        <contained><Organization><id value="o"/><name value="&lt;O&gt;"/></Organization></contained>
        <extension url="http://example.org/x"><valueDecimal value="1.50"/></extension>
        <active value="true"/>
        <name id="n"><given value="Ann"/><given id="g"><extension url="http://example.org/y"><valueInteger value="0"/></extension></given></name>
        <birthDate value="1970"><extension url="http://example.org/z"><valueCode value="k"/></extension></birthDate>
        <deceasedBoolean value="false"/>
      </Patient>`
    expect(parseXml(xml)).toEqual({
      resourceType: 'Patient',
      id: 'a',
      text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">a <b>c</b> &amp; d<br/></div>' },
      contained: [{ resourceType: 'Organization', id: 'o', name: '<O>' }],
      extension: [{ url: 'http://example.org/x', valueDecimal: new ExactNumber('1.50') }],
      active: true,
      name: [
        {
          id: 'n',
          given: ['Ann', null],
          _given: [null, { id: 'g', extension: [{ url: 'http://example.org/y', valueInteger: 0 }] }],
        },
      ],
      birthDate: '1970',
      _birthDate: { extension: [{ url: 'http://example.org/z', valueCode: 'k' }] },
      deceasedBoolean: false,
    })
  })

  it.each([
    ['no XML', 'Patient', /not well-formed/, undefined],
    ['an open element', `<Patient ${FHIR}>`, /not well-formed/, 'Patient'],
    ['an attribute twice', `<Patient ${FHIR}><id value="a" value="b"/></Patient>`, /there twice/, 'Patient.id'],
    ['two roots', `<Patient ${FHIR}/><Patient ${FHIR}/>`, /not well-formed/, undefined],
    [
      'a DOCTYPE with entities',
      `<!DOCTYPE Patient [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Patient ${FHIR}><id value="&b;"/></Patient>`,
      /DOCTYPE/,
      undefined,
    ],
    ['an unknown entity', `<Patient ${FHIR}><id value="&nbsp;"/></Patient>`, /the character itself/, 'Patient.id'],
    ['another encoding', `<?xml version="1.0" encoding="ISO-8859-1"?><Patient ${FHIR}/>`, /UTF-8/, undefined],
    ['no namespace', '<Patient/>', /namespace/, undefined],
    ['an unknown type', `<Patent ${FHIR}/>`, /resource of R4/, undefined],
    [
      'an unknown element',
      `<Patient ${FHIR}><nickname value="x"/></Patient>`,
      /no element nickname here; it has id, meta, .* active, name,/,
      'Patient',
    ],
    [
      'more attributes than anybody needs',
      `<Patient ${FHIR} ${Array.from({ length: 200 }, (_, i) => `xmlns:a${i}="urn:${i}"`).join(' ')}/>`,
      /too many attributes/,
      undefined,
    ],
    [
      'an unknown attribute',
      `<Patient ${FHIR}><name use="usual"/></Patient>`,
      /no attribute use here; it has id/,
      'Patient.name[0]',
    ],
    ['an empty attribute', `<Patient ${FHIR}><id value=""/></Patient>`, /must not be empty/, 'Patient.id'],
    [
      'elements in another order',
      `<Patient ${FHIR}><gender value="male"/><active value="true"/></Patient>`,
      /active must come before gender/,
      'Patient.active',
    ],
    [
      'one element twice',
      `<Patient ${FHIR}><gender value="male"/><gender value="male"/></Patient>`,
      /once/,
      'Patient.gender',
    ],
    ['text', `<Patient ${FHIR}><gender>male</gender></Patient>`, /Text may stand/, 'Patient.gender'],
    ['a processing instruction', `<Patient ${FHIR}><?php x?></Patient>`, /instructions/, 'Patient'],
    [
      'two contained in one',
      `<Patient ${FHIR}><contained><Group/><Group/></contained></Patient>`,
      /one resource/,
      'Patient.contained[0]',
    ],
    ['an empty holder', `<Patient ${FHIR}><contained/></Patient>`, /must stand here/, undefined],
    [
      'a narrative of another namespace',
      `<Patient ${FHIR}><text><status value="empty"/><div>x</div></text></Patient>`,
      /1999\/xhtml/,
      'Patient.text.div',
    ],
  ])('refuses %s', (_, xml, message, expression) => {
    let thrown: unknown
    try {
      parseXml(xml)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(ConsentryError)
    const { kind, issues } = thrown as ConsentryError
    expect(kind).toBe('malformed')
    expect(issues[0]?.diagnostics).toMatch(message)
    if (expression !== undefined) expect(issues[0]?.expression).toEqual([expression])
  })

  const lines = (...all: string[]) => [`<Patient ${FHIR}>`, ...all].join('\n')
  it.each([
    [
      'no end tag',
      lines('  <active value="true"/>', ''),
      'line 2, column 25',
      /not closed; it needs its end tag/,
      'Patient',
    ],
    [
      'another end tag',
      lines('<name><given value="x"/></names>', '</Patient>'),
      'line 2, column 32',
      /end tag closes another/,
      'Patient',
    ],
    [
      'a value without its quote',
      lines('<name><given value="x/></name>', '</Patient>'),
      'line 2, column 24',
      /</,
      'Patient.name[0].given[0]',
    ],
    [
      'the second of two',
      lines('<name><given value="a"/><given value=b/></name>'),
      'line 2, column 38',
      /in quotes/,
      'Patient.name[0].given[1]',
    ],
    [
      'an ampersand',
      lines('<name><text value="A & B"/></name>', '</Patient>'),
      'line 2, column 22',
      /&amp;/,
      'Patient.name[0].text',
    ],
    [
      'an ampersand before another reference',
      lines(
        '<!-- & -->',
        '<text><div xmlns="http://www.w3.org/1999/xhtml">a &amp; b & c</div></text>',
        '<id value="&lt;"/></Patient>',
      ),
      'line 3, column 59',
      /&amp;/,
      'Patient.text.div',
    ],
    [
      'a tag that ends early',
      lines('<gender value="male"'),
      'line 2, column 21',
      /ends inside of a tag|not closed/,
      'Patient.gender',
    ],
    [
      'text in a narrative',
      lines('<text><status value="empty"/><div xmlns="http://www.w3.org/1999/xhtml">a < b</div></text>'),
      'line 2',
      /name of an element|stand here/,
      'Patient.text.div',
    ],
    [
      'inside of a contained resource',
      lines('<contained><Group><type value="person" value="person"/></Group></contained>'),
      'line 2',
      /there twice/,
      'Patient.contained[0].type',
    ],
    [
      'inside of an extension of a primitive',
      lines('<birthDate><extension url="u"><valueCode valu="x"/></extension></birthDate>'),
      'line 2, column 31',
      /no attribute valu here; it has id and value/,
      'Patient.birthDate.extension[0].valueCode',
    ],
  ])('names the place of %s', (_, xml, place, message, expression) => {
    let thrown: unknown
    try {
      parseXml(xml)
    } catch (error) {
      thrown = error
    }
    const [issue] = (thrown as ConsentryError).issues
    expect(issue?.diagnostics).toContain(`(${place}`)
    expect(issue?.diagnostics).toMatch(message)
    expect(issue).toMatchObject({ code: 'structure', expression: [expression] })
  })

  it('bounds size and depth, inside narratives too', () => {
    const deep = (open: string, close: string, inner = '') => open.repeat(200) + inner + close.repeat(200)
    const nested = `<Questionnaire ${FHIR}>${deep('<item>', '</item>')}</Questionnaire>`
    const narrative = `<Patient ${FHIR}><text><status value="empty"/><div xmlns="http://www.w3.org/1999/xhtml">${deep('<b>', '</b>')}</div></text></Patient>`
    for (const xml of [nested, narrative]) expect(() => parseXml(xml)).toThrow(/nested 100 deep/)
    expect(() => parseXml(`<Patient ${FHIR}/>`, { maxBytes: 10 })).toThrow(/larger than/)
    expect(() => parseXml(Buffer.from([0x3c, 0xff, 0xfe]))).toThrow(/UTF-8/)
  })

  it('quotes nothing of the document in a message', () => {
    const secret = 'Aldenhoven'
    for (const xml of [
      `<Patient ${FHIR}><name><family value="${secret}"</name></Patient>`,
      `<Patient ${FHIR}><name><family>${secret}</family></name></Patient>`,
      `<Patient ${FHIR}><id value="&${secret};"/></Patient>`,
      `<Patient ${FHIR}><name ${secret}="${secret}"`,
    ]) {
      expect(() => parseXml(xml)).toThrow(ConsentryError)
      try {
        parseXml(xml)
      } catch (error) {
        expect(String((error as Error).message)).not.toContain(secret)
      }
    }
  })
})

describe('stringifyXml', () => {
  it('writes in the order of the definitions, and what XML would change as it is', () => {
    const patient: JsonObject = {
      resourceType: 'Patient',
      gender: 'female',
      id: 'a',
      _birthDate: { extension: [{ url: 'http://example.org/z', valueDecimal: new ExactNumber('1.50') }] },
      name: [{ text: 'a "b" <c> &\n\td', id: 'n' }],
    }
    expect(stringifyXml(patient)).toBe(
      `<Patient ${FHIR}><id value="a"/><name id="n"><text value="a &quot;b&quot; &lt;c> &amp;&#10;&#9;d"/></name>` +
        '<gender value="female"/><birthDate><extension url="http://example.org/z"><valueDecimal value="1.50"/></extension></birthDate></Patient>',
    )
    expect(parseXml(stringifyXml(patient))).toEqual(patient)
  })

  it('refuses what R4 does not have', () => {
    expect(() => stringifyXml({ resourceType: 'Patient', nickname: 'x' })).toThrow(/not of R4/)
  })
})

describe.skipIf(!hasSharedData)('resources that were published in both formats (../shared/data is needed)', () => {
  const names = hasSharedData
    ? listShared('r4-xml-json-pairs')
        .filter((name) => name.endsWith('.json'))
        .map((name) => name.slice(0, -5))
    : []
  const json = (name: string) => parseJson(readSharedBytes('r4-xml-json-pairs', `${name}.json`)) as JsonObject
  const xml = (name: string) => parseXml(readSharedBytes('r4-xml-json-pairs', `${name}.xml`))

  it('are all there', () => expect(names.length).toBeGreaterThan(400))

  it('are read alike, but for meta and text, which the publisher changed in one of them, and zeros that its JSON lost', () => {
    const differing = names.filter((name) => comparable(xml(name)) !== comparable(json(name)))
    expect(differing).toEqual([])
  })

  it('come back equal through either, decimals digit for digit', () => {
    for (const name of names) {
      for (const resource of [json(name), xml(name)]) {
        expect(stringify(sorted(parseXml(stringifyXml(resource))))).toBe(stringify(sorted(resource)))
      }
    }
  })
})

/** Property order means nothing, and neither does how a narrative is laid out. */
function comparable({ meta: _, text: __, ...rest }: JsonObject): string {
  return JSON.stringify(sorted(rest), (key, value: unknown) => {
    if (value instanceof ExactNumber) return Number(value)
    if (typeof value === 'object' && value !== null && 'rawJSON' in value) return Number(value.rawJSON)
    return key === 'div' ? layoutless(String(value)) : value
  })
}

function layoutless(div: string): string {
  return decodeEntities(div).replace(/\s+/g, ' ').replace(/ ?\/>/g, '/>').trim()
}

function sorted(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null || value instanceof ExactNumber) return value
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key] as JsonValue)]),
  )
}
