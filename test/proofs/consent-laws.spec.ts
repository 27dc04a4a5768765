import { afterAll, describe, expect, it } from 'vitest'
import {
  activeByItsStanding,
  answersByTheWords,
  epochsOnlyIncrease,
  revocationsNeverFail,
  STEPS,
  type Violations,
} from './consent-laws.js'
import { NO_Z3, z3Version } from './support/solver.js'
import { consentRegistry, identityRegistry, mutant, type Subject } from './support/subject.js'

const CHECK = 'contracts/ConsentRegistry.sol'
const REVOCATIONS = 'contracts/consent/Revocations.sol'
const ACCOUNTS = 'contracts/libraries/PatientAccounts.sol'

describe.skipIf(z3Version === null)(
  `the deployed code, for all words${z3Version === null ? ` (${NO_Z3})` : ''}`,
  () => {
    const subjects: Subject[] = []
    const of = async (subject: Promise<Subject>): Promise<Subject> => {
      subjects.push(await subject)
      return await subject
    }
    const altered = (file: string, from: string, to: string): Promise<Subject> =>
      of(consentRegistry(mutant('ConsentRegistry', file, from, to)))
    afterAll(async () => {
      for (const subject of subjects) await subject.end()
    })

    it('permits nothing outside window, epoch, purposes, categories and standing, and all within', async () => {
      const registry = await of(consentRegistry())
      expect(await answersByTheWords(registry, 'check')).toEqual([])
      expect(await answersByTheWords(registry, 'denial')).toEqual([])
      expect(await activeByItsStanding(await of(identityRegistry()))).toEqual([])
    })

    it('lets no revocation of the controller fail, or leave a word that permits', async () => {
      expect(await revocationsNeverFail(await of(consentRegistry()))).toEqual([])
    }, 300_000)

    it.each(Object.keys(STEPS) as (keyof typeof STEPS)[])(
      'counts epochs up and never down: %s',
      async (step) => {
        expect(await epochsOnlyIncrease(await of(consentRegistry()), step)).toEqual([])
      },
      300_000,
    )

    describe('and finds out', () => {
      const check = (subject: Subject): Promise<Violations> => answersByTheWords(subject, 'check')
      const epochs = (subject: Subject): Promise<Violations> => epochsOnlyIncrease(subject, 'revokeAll')
      it.each([
        [
          'a check that overlooks the end',
          check,
          CHECK,
          'gt(and(shr(40, word), 0xffffffffff), timestamp())',
          '1',
          'yes without a reason',
        ],
        [
          'a check that overlooks the epoch',
          check,
          CHECK,
          'and(shr(160, xor(shr(16, word), account)), 0xffffffff)',
          '0',
          'yes without a reason',
        ],
        [
          'an end that is a second late',
          check,
          CHECK,
          'iszero(gt(and(shr(40, word), 0xffffffffff), timestamp()))',
          'lt(and(shr(40, word), 0xffffffffff), timestamp())',
          'yes without a reason',
        ],
        [
          'a check without the standing of the grantee',
          check,
          CHECK,
          'mstore(0x00, isActive)',
          'mstore(0x00, 1) return(0x00, 0x20)',
          'yes without a reason',
        ],
        [
          'a revokeAll that leaves the epoch',
          epochs,
          ACCOUNTS,
          '(ONE_EPOCH | ONE_REVOCATION)',
          'ONE_REVOCATION',
          'another epoch',
        ],
        ['an epoch that goes down', epochs, ACCOUNTS, '+ (ONE_EPOCH | ONE_REVOCATION)', '- ONE_EPOCH', 'another epoch'],
        [
          'a revocation that can be paused',
          revocationsNeverFail,
          REVOCATIONS,
          'function revokeAll(bytes32 patient) external {',
          'function revokeAll(bytes32 patient) external { if (_paused) revert GrantsArePaused();',
          'revokeAll fails',
        ],
        [
          'a revocation that revokes nothing',
          revocationsNeverFail,
          REVOCATIONS,
          'sstore(keccak256(p, 0x80), 0)',
          '',
          'revokeLabel leaves a word',
        ],
      ] as const)(
        '%s',
        async (_, law, file, from, to, violation) => {
          expect(await law(await altered(file, from, to))).toContain(violation)
        },
        120_000,
      )

      it('a party that is active though it was suspended', async () => {
        const parties = mutant(
          'IdentityRegistry',
          'contracts/identity/Parties.sol',
          'eq(and(shr(168, standing), 0xff), ACTIVE)',
          '1',
        )
        expect(await activeByItsStanding(await of(identityRegistry(parties)))).toContain('active without a reason')
      })
    })
  },
)
