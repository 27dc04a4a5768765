import { describe, expect, it } from 'vitest'
import { ConsentryError } from '../../src/errors.js'
import {
  ExactNumber,
  isNumber,
  numberFrom,
  numberText,
  numberValue,
  parseJson,
  stringify,
} from '../../src/fhir/json.js'

const bytes = (text: string) => new TextEncoder().encode(text)

function refusal(input: string | Uint8Array, limits = {}): ConsentryError {
  try {
    parseJson(input, limits)
  } catch (error) {
    if (error instanceof ConsentryError) return error
    throw error
  }
  throw new Error('accepted')
}

describe('exact numbers', () => {
  it.each([
    '1.50',
    '1e3',
    '-0',
    '0.0',
    '1.3E+2',
    '12345678901234567890',
    '0.12345678901234567890',
    '0.0000001',
    '1e400',
  ])('keeps %s as it was written', (text) => {
    const parsed = parseJson(`{"value":${text}}`) as { value: unknown }
    expect(parsed.value).toBeInstanceOf(ExactNumber)
    expect(stringify(parsed)).toBe(`{"value":${text}}`)
  })

  it.each(['0', '-1', '1.5', '123456789012345', '0.1', '-0.25', '1e+21', '100000000000000000000'])(
    'leaves %s a plain number',
    (text) => {
      expect(parseJson(text)).toBe(Number(text))
      expect(stringify(parseJson(text))).toBe(text)
    },
  )

  it('reads both kinds alike', () => {
    const [plain, exact] = parseJson('[1.5, 1.50]') as [number, ExactNumber]
    expect([numberText(plain), numberText(exact)]).toEqual(['1.5', '1.50'])
    expect([numberValue(plain), numberValue(exact)]).toEqual([1.5, 1.5])
    expect([isNumber(plain), isNumber(exact), isNumber('1.5')]).toEqual([true, true, false])
    expect(Number(exact) > 1).toBe(true)
    expect(numberFrom('2.0')).toEqual(new ExactNumber('2.0'))
    expect(numberFrom('2')).toBe(2)
    expect(() => numberFrom('2,5')).toThrow(RangeError)
  })

  it('finds its place among other numbers, in objects with index-like keys too', () => {
    for (const text of [
      '[1,2.0,3,4.50,-5]',
      '{"a":1,"b":[2.0,{"c":3}],"d":4.50}',
      '{"1":1.0,"a":{"2":2,"b":3.00}}',
      '1.0',
    ]) {
      expect(stringify(parseJson(text))).toBe(text)
    }
    expect(parseJson('{"b":1.0,"2":2,"1":3.0}')).toEqual({ b: new ExactNumber('1.0'), 1: new ExactNumber('3.0'), 2: 2 })
  })

  it('does not take digits in strings for numbers', () => {
    expect(parseJson('{"a":"1.50","b\\"":"\\\\","c":"\\\\\\"1.50"}')).toEqual({ a: '1.50', 'b"': '\\', c: '\\"1.50' })
  })
})

describe('bytes', () => {
  it('accepts UTF-8 with and without byte order mark', () => {
    expect(parseJson(bytes('{"a":"é"}'))).toEqual({ a: 'é' })
    expect(parseJson(new Uint8Array([0xef, 0xbb, 0xbf, ...bytes('[]')]))).toEqual([])
    expect(parseJson('\ufeff[]')).toEqual([])
  })

  it('refuses what is not UTF-8', () => {
    expect(refusal(new Uint8Array([0x22, 0xff, 0x22])).message).toContain('UTF-8')
    expect(refusal(new Uint8Array([0xff, 0xfe, 0x5b, 0x00, 0x5d, 0x00])).message).toContain('UTF-8')
  })

  it('refuses lone surrogates and accepts pairs', () => {
    expect(parseJson('"\\ud83d\\ude00"')).toBe('😀')
    expect(refusal('["\\ud83d"]').message).toContain('lone surrogate')
    expect(refusal('{"\\ude00":1}').message).toContain('lone surrogate')
    expect(refusal('"\ud83d"').message).toContain('lone surrogate')
  })
})

describe('refusals name the place and the reason', () => {
  it.each([
    ['', 'line 1, column 1', 'empty'],
    ['{"a":1,\n "a":2}', 'line 2, column 2, at /a', 'twice'],
    ['{"a":{"b":[1,{"c":1,"c":1}]}}', 'at /a/b/1/c', 'twice'],
    ['{"a":1,"\\u0061":2}', 'at /a', 'twice'],
    ['{"__proto__":{}}', 'column 2', '__proto__'],
    ['{"\\u005f_proto__":{}}', 'column 2', '__proto__'],
    ['{"a":01}', 'at /a', 'not a number'],
    ['[1,]', 'column 4', 'comma'],
    ['[1 2]', 'column 4', 'comma or ]'],
    ['{a:1}', 'column 2', 'double quotes'],
    ['{"a" 1}', 'column 6', 'colon'],
    ['{"a":nul}', 'at /a', 'a value is expected'],
    ['{"a":"x', 'at /a', 'not closed'],
    ['{"a":"x\ny"}', 'at /a', 'control character'],
    ['"\\x"', 'column 2', 'unknown escape'],
    ['{} {}', 'column 4', 'nothing may follow'],
    ['{"a":', 'at /a', 'ends'],
    ['NaN', 'column 1', 'a value is expected'],
    ['1e9999', 'column 1', 'exponent'],
    ['[1.5.0]', 'at /0', 'not a number'],
  ])('%j', (text, place, reason) => {
    const error = refusal(text)
    expect(error.kind).toBe('malformed')
    expect(error.message).toContain(place)
    expect(error.message).toContain(reason)
  })

  const patient = (...lines: string[]) => ['{"resourceType":"Patient",', ...lines].join('\n')
  it.each([
    [
      'a missing comma',
      patient('"name":[{"given":["Ann" "Mary"]}]}'),
      'line 2, column 25',
      'a comma or ]',
      'Patient.name[0].given',
    ],
    ['a trailing comma', patient('"name":[{"given":["x",],}]}'), 'line 2, column 23', 'comma', 'Patient.name[0].given'],
    [
      'a value without quotes',
      patient('"name":[{},{"family":x}]}'),
      'line 2, column 22',
      'a string in double quotes',
      'Patient.name[1].family',
    ],
    ['a missing colon', patient('"gender" "male"}'), 'line 2, column 10', 'a colon', 'Patient.gender'],
    ['a missing end', patient('"active":true', '', ''), 'line 2, column 14', 'a comma or }', 'Patient'],
    [
      'a property twice',
      patient('"active":true,"active":true}'),
      'line 2, column 15',
      'a list in []',
      'Patient.active',
    ],
    [
      'what stands beside a primitive',
      patient('"_birthDate":{"extension":[{]}}'),
      'line 2',
      '} is expected',
      'Patient.birthDate.extension[0]',
    ],
    [
      'a name that is none of an element',
      patient('"name":{"Ann Smith":x}}'),
      'line 2',
      'a value is expected',
      'Patient.name',
    ],
    [
      'a resource inside of another',
      '{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":1x}}]}',
      'line 1',
      '}',
      'Bundle.entry[0].resource',
    ],
    [
      'a type that comes too late',
      '{"active":tru,"resourceType":"Patient"}',
      'line 1, column 11',
      'a value is expected',
      'active',
    ],
    [
      'a type that is none',
      '{"resourceType":"Ann","active":tru}',
      'line 1, column 32',
      'a value is expected',
      'active',
    ],
    ['no document', '', 'line 1, column 1', 'a JSON value is expected', undefined],
  ])('names the element: %s', (_, text, place, reason, expression) => {
    const [issue] = refusal(bytes(text)).issues
    expect(issue?.diagnostics).toContain(`(${place}`)
    expect(issue?.diagnostics).toContain(reason)
    expect(issue?.expression).toEqual(expression === undefined ? undefined : [expression])
    expect(issue?.diagnostics).not.toMatch(/Mary|male/)
  })

  it('names the first byte that is no UTF-8', () => {
    const text = bytes('{"a":"\ufffd",\n "b":"é?"}')
    text[text.indexOf(0x3f)] = 0xe9
    expect(refusal(text).message).toContain('UTF-8 (line 2, column 8)')
    expect(refusal(new Uint8Array([0x22, 0xc3])).message).toContain('UTF-8 (line 1, column 2)')
  })

  it('never quotes the document', () => {
    expect(refusal('{"family": "Portillo" "given": 1}').message).not.toContain('Portillo')
  })

  it('bounds size, depth and the length of numbers', () => {
    expect(refusal('[' + ' '.repeat(20) + ']', { maxBytes: 10 }).kind).toBe('too-large')
    expect(refusal('['.repeat(1_000_000)).message).toContain('deeper than the allowed 100')
    expect(refusal('['.repeat(101) + ']'.repeat(101)).message).toContain('deeper than the allowed 100')
    expect(refusal('{"a":'.repeat(101) + '1' + '}'.repeat(101)).message).toContain('deeper than the allowed 100')
    expect(parseJson('['.repeat(100) + ']'.repeat(100))).toBeInstanceOf(Array)
    expect(refusal(`[${'9'.repeat(101)}]`).message).toContain('longer than the allowed 100')
  })
})
