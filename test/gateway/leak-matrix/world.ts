import { grantOf } from '../../../src/cli/story/consents.js'
import type { Hex } from '../../../src/ledger/hex.js'

/**
 * Two patients. `public` has granted to everybody what is labelled general; `hidden` is who grants, or does not, as each situation says. What is
 * named `veiled` is `public`'s under another label, and as hidden as all of `hidden` is. Records of the three refer to each other.
 */
export const TEXT = 'Quillmarrow'
const NUMBER = 7351.977
const BIRTH = '1931-04-17'
/** Planted in everything that is hidden, and in no request. */
export const MARKERS: readonly string[] = [TEXT, String(NUMBER), BIRTH, Buffer.from(TEXT).toString('base64')]
export const WORD = 'zebrawood'

const CODES = 'urn:example:codes'
export const PSY = { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'PSY' }
export const of = (reference: string): { reference: string } => ({ reference })
const coded = (...codes: string[]) => ({ coding: codes.map((code) => ({ system: CODES, code })), text: 'Sodium level' })
const narrative = (text: string) => ({
  status: 'generated',
  div: `<div xmlns="http://www.w3.org/1999/xhtml">${WORD} ${text}</div>`,
})

type Name = 'public' | 'hidden' | 'veiled'
export type Resources = Record<string, Readonly<Record<string, unknown>>>

/** What one of them has; grants that are proposed in it are for `grantee`. */
export function records(name: Name, grantee: Hex): Resources {
  const patient = name === 'veiled' ? 'public' : name
  const secret = name === 'public' ? 'ordinary' : TEXT
  const id = (what: string): string => `${name}-${what}`
  const subject = of(`Patient/${patient}`)
  const encounter = of(`Encounter/${name === 'veiled' ? 'public' : name}-e`)
  const meta = {
    tag: [
      { system: 'urn:example:ward', code: 'shared' },
      ...(name === 'public' ? [] : [{ system: 'urn:example:ward', code: TEXT }]),
    ],
    ...(name === 'veiled' ? { security: [PSY] } : {}),
  }
  /** Lie among those of the others in every order. */
  const at = { public: 2, hidden: 1, veiled: 3 }[name]
  const observation = (n: number) => ({
    status: n === 2 ? 'preliminary' : 'final',
    identifier: [{ system: 'urn:example:obs', value: id(`o${n}`) }],
    category: [
      { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'laboratory' }] },
    ],
    code: coded(`c${n}`, `c${n}-${name}`),
    subject,
    encounter,
    effectiveDateTime: `2024-0${3 * n + at}-01`,
    valueQuantity: {
      value: name === 'public' ? 10 + n : NUMBER,
      unit: 'mmol/L',
      system: 'http://unitsofmeasure.org',
      code: 'mmol/L',
    },
    note: [{ text: secret }],
  })
  const elements: Resources = {
    [`Encounter/${id('e')}`]: { status: 'finished', class: { code: 'AMB' }, subject, type: [{ text: secret }] },
    [`Observation/${id('o0')}`]: observation(0),
    [`Observation/${id('o1')}`]: observation(1),
    [`Observation/${id('o2')}`]: observation(2),
    [`DiagnosticReport/${id('r')}`]: {
      status: 'final',
      code: coded('panel', `panel-${name}`),
      subject,
      encounter,
      // what is seen refers to what is not, and the other way round
      result: ['public', 'hidden', 'veiled'].map((each) => of(`Observation/${each}-o0`)),
      conclusion: secret,
    },
    [`Condition/${id('d')}`]: { subject, encounter, code: coded('c9'), note: [{ text: secret }] },
    [`Composition/${id('c')}`]: composition([of(`Observation/${id('o0')}`)]),
    [`List/${id('l')}`]: {
      status: 'current',
      mode: 'snapshot',
      title: secret,
      subject,
      entry: ['public', 'hidden', 'veiled'].map((each) => ({ item: of(`Observation/${each}-o0`) })),
    },
    [`Task/${id('t')}`]: { status: 'requested', intent: 'order', for: subject, description: secret },
    [`Binary/${id('b')}`]: {
      contentType: 'text/plain',
      securityContext: subject,
      data: Buffer.from(secret).toString('base64'),
    },
    [`Consent/${id('k')}`]: { ...grantOf(patient, grantee, ['read']), meta: undefined },
  }
  const kept = Object.entries(elements).map(([url, own]) => {
    const words = url.startsWith('Binary/') ? {} : { text: narrative(secret) }
    return [url, { meta, ...words, ...own, ...(own['meta'] === undefined ? { meta } : {}) }] as const
  })
  return {
    ...(name === 'veiled' ? {} : { [`Patient/${name}`]: person(name) }),
    ...Object.fromEntries(kept),
    ...beside(name),
  }

  function composition(entry: object[]) {
    return {
      status: 'final',
      type: { text: 'Summary' },
      subject,
      date: '2026-01-01',
      author: [subject],
      title: secret,
      section: [{ title: 'Results', entry }],
    }
  }

  function beside(which: Name): Resources {
    if (which === 'veiled') return {}
    if (which === 'hidden') return { 'Group/hidden-g': { ...group('hidden', 'public'), name: TEXT }, ...ofNobody() }
    return {
      'Group/public-g': { ...group('public'), name: 'ordinary' },
      'Composition/public-c2': { meta, ...composition([of('Observation/veiled-o0')]) },
    }
  }
}

const group = (...members: string[]) => ({
  type: 'person',
  actual: true,
  member: members.map((member) => ({ entity: of(`Patient/${member}`) })),
})

function person(name: Name) {
  return {
    identifier: [{ system: 'urn:example:mrn', value: name }],
    name: [{ family: name === 'public' ? 'Rowan' : TEXT, given: ['Robin'] }],
    gender: 'other',
    birthDate: name === 'public' ? '1970-01-01' : BIRTH,
    text: narrative(name === 'public' ? 'ordinary' : TEXT),
  }
}

/** What is in no compartment is its author entity's alone. */
function ofNobody(): Resources {
  return {
    'CodeSystem/hidden-cs': {
      url: 'urn:example:hidden-cs',
      name: 'Codes',
      status: 'active',
      content: 'complete',
      hierarchyMeaning: 'is-a',
      concept: [{ code: 'a', display: TEXT, concept: [{ code: 'b', display: TEXT }] }],
    },
    'ValueSet/hidden-vs': {
      url: 'urn:example:hidden-vs',
      name: 'Codes',
      status: 'active',
      compose: { include: [{ system: 'urn:example:hidden-cs' }] },
    },
    'Location/hidden-w': { name: TEXT, position: { longitude: 8.5, latitude: 47.4 } },
    'Practitioner/hidden-s': { name: [{ family: TEXT, given: ['Robin'] }] },
  }
}
