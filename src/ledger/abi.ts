// Made by bindings.mjs from the contracts' ABIs. Do not edit.
import type { Hex } from './hex.js'
/** Arguments of each event. */
export interface Events {
  readonly IdentityRegistry: {
    readonly AdministratorChanged: { readonly previous: Hex; readonly administrator: Hex }
    readonly AdministratorProposed: { readonly administrator: Hex }
    readonly ConsentRegistryConnected: { readonly consentRegistry: Hex }
    readonly ControllerChanged: { readonly party: Hex; readonly previous: Hex; readonly controller: Hex }
    readonly CustodyEnded: { readonly patient: Hex; readonly entity: Hex }
    readonly EIP712DomainChanged: Readonly<Record<string, never>>
    readonly EncryptionKeyChanged: { readonly party: Hex; readonly encryptionKey: Hex }
    readonly EndpointChanged: { readonly party: Hex; readonly endpoint: string }
    readonly EntityRegistered: {
      readonly entity: Hex
      readonly controller: Hex
      readonly validFrom: number
      readonly validTo: number
      readonly credential: Hex
      readonly encryptionKey: Hex
      readonly endpoint: string
    }
    readonly GuardianChanged: { readonly party: Hex; readonly guardian: Hex }
    readonly OperatorAdded: { readonly entity: Hex; readonly operator: Hex }
    readonly OperatorRemoved: { readonly entity: Hex; readonly operator: Hex }
    readonly PartyAuthenticated: { readonly party: Hex }
    readonly PatientRegistered: {
      readonly patient: Hex
      readonly entity: Hex
      readonly controller: Hex
      readonly keyCommitment: Hex
    }
    readonly PractitionerRegistered: {
      readonly practitioner: Hex
      readonly entity: Hex
      readonly controller: Hex
      readonly validFrom: number
      readonly validTo: number
      readonly credential: Hex
      readonly encryptionKey: Hex
    }
    readonly ProviderAuthenticated: { readonly patient: Hex; readonly provider: Hex }
    readonly ProviderExpected: { readonly patient: Hex; readonly commitment: Hex }
    readonly ProviderNoLongerExpected: { readonly patient: Hex; readonly commitment: Hex }
    readonly ProxyRegistered: {
      readonly proxy: Hex
      readonly owner: Hex
      readonly controller: Hex
      readonly validFrom: number
      readonly validTo: number
      readonly credential: Hex
      readonly encryptionKey: Hex
      readonly endpoint: string
    }
    readonly RecoveryCancelled: { readonly party: Hex }
    readonly RecoveryProposed: { readonly party: Hex; readonly controller: Hex; readonly executableFrom: number }
    readonly Retired: { readonly successor: Hex }
    readonly StatusChanged: { readonly party: Hex; readonly status: number }
    readonly ValidityChanged: { readonly party: Hex; readonly validFrom: number; readonly validTo: number }
  }
  readonly ConsentRegistry: {
    readonly AccessRefused: { readonly patient: Hex; readonly grantee: Hex; readonly request: Hex }
    readonly AccessRequestWithdrawn: { readonly patient: Hex; readonly grantee: Hex; readonly request: Hex }
    readonly AccessRequested: {
      readonly patient: Hex
      readonly grantee: Hex
      readonly request: Hex
      readonly terms: {
        readonly patient: Hex
        readonly grantee: Hex
        readonly labels: readonly Hex[]
        readonly actions: number
        readonly purposes: number
        readonly categories: bigint
        readonly from: number
        readonly to: number
        readonly reasonHash: Hex
      }
    }
    readonly AllConsentsRevoked: { readonly patient: Hex; readonly epoch: number }
    readonly ConsentGranted: {
      readonly patient: Hex
      readonly grantee: Hex
      readonly label: Hex
      readonly actions: number
      readonly consent: bigint
      readonly packageHash: Hex
    }
    readonly ConsentRevoked: {
      readonly patient: Hex
      readonly grantee: Hex
      readonly label: Hex
      readonly actions: number
    }
    readonly DelegationGranted: {
      readonly patient: Hex
      readonly delegate: Hex
      readonly label: Hex
      readonly bounds: bigint
    }
    readonly DelegationRevoked: { readonly patient: Hex; readonly delegate: Hex; readonly label: Hex }
    readonly EIP712DomainChanged: Readonly<Record<string, never>>
    readonly EmergencyVetoChanged: { readonly patient: Hex; readonly vetoed: boolean }
    readonly GlassBroken: {
      readonly patient: Hex
      readonly grantee: Hex
      readonly consent: bigint
      readonly reasonHash: Hex
    }
    readonly GrantsPaused: { readonly by: Hex }
    readonly GrantsUnpaused: { readonly by: Hex }
    readonly PolicyPinned: {
      readonly patient: Hex
      readonly grantee: Hex
      readonly label: Hex
      readonly actions: number
      readonly policyHash: Hex
    }
    readonly RelaySkipped: { readonly index: bigint; readonly patient: Hex; readonly reason: Hex }
    readonly Retired: { readonly successor: Hex }
  }
  readonly RecordAnchors: {
    readonly RecordsAnchored: {
      readonly entity: Hex
      readonly root: Hex
      readonly manifest: Hex
      readonly count: number
    }
    readonly Retired: { readonly successor: Hex }
  }
  readonly AuditLog: {
    readonly AuditHeadPublished: { readonly entity: Hex; readonly size: bigint; readonly root: Hex }
    readonly Retired: { readonly successor: Hex }
  }
  readonly ProxyRegistry: {
    readonly ProxyAnnounced: {
      readonly proxy: Hex
      readonly owner: Hex
      readonly receiptKey: Hex
      readonly endpoint: string
    }
    readonly ProxyWithdrawn: { readonly proxy: Hex }
    readonly Retired: { readonly successor: Hex }
  }
}
/** Arguments of each custom error. */
export interface Errors {
  readonly IdentityRegistry: {
    readonly AlreadyRegistered: { readonly party: Hex }
    readonly InvalidController: Readonly<Record<string, never>>
    readonly InvalidEncryptionKey: Readonly<Record<string, never>>
    readonly InvalidId: Readonly<Record<string, never>>
    readonly InvalidShortString: Readonly<Record<string, never>>
    readonly InvalidStatus: { readonly party: Hex; readonly from: number; readonly to: number }
    readonly InvalidSuccessor: { readonly successor: Hex }
    readonly InvalidValidity: { readonly validFrom: number; readonly validTo: number }
    readonly LengthMismatch: Readonly<Record<string, never>>
    readonly NoRecovery: { readonly party: Hex }
    readonly NotAdministrator: { readonly caller: Hex }
    readonly NotAuthorised: { readonly party: Hex; readonly caller: Hex }
    readonly NotConsentRegistry: { readonly caller: Hex }
    readonly NotExpected: { readonly party: Hex }
    readonly RecoveryNotDue: { readonly executableFrom: number }
    readonly RetiredInFavourOf: { readonly successor: Hex }
    readonly SignatureExpired: { readonly deadline: bigint }
    readonly StringTooLong: { readonly str: string }
    readonly TextAboutPerson: Readonly<Record<string, never>>
    readonly UnknownParty: { readonly party: Hex }
    readonly WrongKind: { readonly party: Hex; readonly kind: number }
  }
  readonly ConsentRegistry: {
    readonly AlreadyRequested: { readonly request: Hex }
    readonly BeyondDelegation: { readonly patient: Hex; readonly delegate: Hex; readonly label: Hex }
    readonly DecidedByPatient: {
      readonly patient: Hex
      readonly grantee: Hex
      readonly label: Hex
      readonly action: number
    }
    readonly EmergencyLimitReached: { readonly entity: Hex }
    readonly EmergencyVetoed: { readonly patient: Hex }
    readonly GlassAlreadyBroken: { readonly patient: Hex; readonly grantee: Hex }
    readonly GranteeNotActive: { readonly grantee: Hex }
    readonly GrantsArePaused: Readonly<Record<string, never>>
    readonly InvalidActions: { readonly actions: number }
    readonly InvalidCategories: Readonly<Record<string, never>>
    readonly InvalidLabels: Readonly<Record<string, never>>
    readonly InvalidNonce: { readonly patient: Hex; readonly expected: bigint; readonly given: bigint }
    readonly InvalidPeriod: { readonly from: number; readonly to: number }
    readonly InvalidPurposes: { readonly purposes: number }
    readonly InvalidShortString: Readonly<Record<string, never>>
    readonly InvalidSignature: { readonly patient: Hex }
    readonly InvalidSuccessor: { readonly successor: Hex }
    readonly LengthMismatch: Readonly<Record<string, never>>
    readonly NotADelegate: { readonly party: Hex }
    readonly NotAdministrator: { readonly caller: Hex }
    readonly NotAuthorised: { readonly patient: Hex; readonly caller: Hex }
    readonly NotIdentityRegistry: { readonly caller: Hex }
    readonly ReasonRequired: Readonly<Record<string, never>>
    readonly RelayRefused: { readonly patient: Hex; readonly reason: Hex }
    readonly RetiredInFavourOf: { readonly successor: Hex }
    readonly SignatureExpired: { readonly deadline: number }
    readonly StringTooLong: { readonly str: string }
    readonly UnknownPatient: { readonly patient: Hex }
    readonly UnknownRequest: { readonly request: Hex }
  }
  readonly RecordAnchors: {
    readonly AlreadyAnchored: { readonly entity: Hex; readonly sequence: number; readonly next: number }
    readonly EmptyBatch: Readonly<Record<string, never>>
    readonly InvalidSuccessor: { readonly successor: Hex }
    readonly NotAdministrator: { readonly caller: Hex }
    readonly NotOperator: { readonly entity: Hex; readonly caller: Hex }
    readonly OutOfSequence: { readonly entity: Hex; readonly sequence: number; readonly next: number }
    readonly RetiredInFavourOf: { readonly successor: Hex }
  }
  readonly AuditLog: {
    readonly EmptyLog: Readonly<Record<string, never>>
    readonly InconsistentHead: { readonly entity: Hex }
    readonly InvalidSuccessor: { readonly successor: Hex }
    readonly NotAdministrator: { readonly caller: Hex }
    readonly NotAnExtension: { readonly entity: Hex; readonly size: bigint; readonly published: bigint }
    readonly NotOperator: { readonly entity: Hex; readonly caller: Hex }
    readonly RetiredInFavourOf: { readonly successor: Hex }
  }
  readonly ProxyRegistry: {
    readonly InvalidEndpoint: Readonly<Record<string, never>>
    readonly InvalidReceiptKey: Readonly<Record<string, never>>
    readonly InvalidSuccessor: { readonly successor: Hex }
    readonly NotAProxy: { readonly party: Hex }
    readonly NotAdministrator: { readonly caller: Hex }
    readonly NotAnnounced: { readonly proxy: Hex }
    readonly NotController: { readonly proxy: Hex; readonly caller: Hex }
    readonly RetiredInFavourOf: { readonly successor: Hex }
  }
}
/** Functions that read. */
export interface Reads {
  readonly IdentityRegistry: {
    readonly RECOVERY_DELAY: { inputs: []; output: number }
    readonly administrator: { inputs: []; output: Hex }
    readonly consentRegistry: { inputs: []; output: Hex }
    readonly controllerOf: { inputs: [id: Hex]; output: Hex }
    readonly custodianOf: { inputs: [patient: Hex]; output: Hex }
    readonly eip712Domain: {
      inputs: []
      output: {
        readonly fields: Hex
        readonly name: string
        readonly version: string
        readonly chainId: bigint
        readonly verifyingContract: Hex
        readonly salt: Hex
        readonly extensions: readonly bigint[]
      }
    }
    readonly guardianOf: { inputs: [id: Hex]; output: Hex }
    readonly isActive: { inputs: [id: Hex]; output: boolean }
    readonly isAuthenticated: { inputs: [patient: Hex, provider: Hex]; output: boolean }
    readonly isExpected: { inputs: [patient: Hex, commitment: Hex]; output: boolean }
    readonly kindOf: { inputs: [id: Hex]; output: number }
    readonly nonces: { inputs: [party: Hex]; output: bigint }
    readonly operates: { inputs: [entity: Hex, account: Hex]; output: boolean }
    readonly parentOf: { inputs: [id: Hex]; output: Hex }
    readonly party: {
      inputs: [id: Hex]
      output: {
        readonly controller: Hex
        readonly kind: number
        readonly status: number
        readonly validFrom: number
        readonly validTo: number
        readonly parent: Hex
        readonly keyCommitment: Hex
        readonly credential: Hex
      }
    }
    readonly recoveryOf: { inputs: [id: Hex]; output: { readonly controller: Hex; readonly executableFrom: number } }
    readonly speaksFor: { inputs: [id: Hex, account: Hex]; output: boolean }
    readonly successor: { inputs: []; output: Hex }
  }
  readonly ConsentRegistry: {
    readonly EMERGENCY_LIMIT: { inputs: []; output: number }
    readonly EMERGENCY_TERM: { inputs: []; output: number }
    readonly IDENTITY: { inputs: []; output: Hex }
    readonly accountSlotOf: { inputs: [patient: Hex]; output: Hex }
    readonly check: {
      inputs: [patient: Hex, grantee: Hex, _2: Hex, action: bigint, purposes: bigint, categories: bigint]
      output: boolean
    }
    readonly consentOf: {
      inputs: [patient: Hex, grantee: Hex, label: Hex, action: number]
      output: {
        readonly from: number
        readonly to: number
        readonly purposes: number
        readonly categories: bigint
        readonly epoch: number
        readonly flags: number
        readonly serial: number
      }
    }
    readonly delegationOf: {
      inputs: [patient: Hex, delegateId: Hex, label: Hex]
      output: {
        readonly from: number
        readonly to: number
        readonly purposes: number
        readonly categories: bigint
        readonly epoch: number
        readonly flags: number
        readonly serial: number
      }
    }
    readonly denial: {
      inputs: [patient: Hex, grantee: Hex, label: Hex, action: bigint, purposes: bigint, categories: bigint]
      output: number
    }
    readonly eip712Domain: {
      inputs: []
      output: {
        readonly fields: Hex
        readonly name: string
        readonly version: string
        readonly chainId: bigint
        readonly verifyingContract: Hex
        readonly salt: Hex
        readonly extensions: readonly bigint[]
      }
    }
    readonly emergencyVetoed: { inputs: [patient: Hex]; output: boolean }
    readonly epochOf: { inputs: [patient: Hex]; output: number }
    readonly grantNonce: { inputs: [patient: Hex]; output: bigint }
    readonly grantsPaused: { inputs: []; output: boolean }
    readonly policyOf: { inputs: [patient: Hex, grantee: Hex, label: Hex, action: number]; output: Hex }
    readonly revocationNonce: { inputs: [patient: Hex]; output: bigint }
    readonly slotOf: { inputs: [patient: Hex, grantee: Hex, label: Hex, action: number]; output: Hex }
    readonly successor: { inputs: []; output: Hex }
  }
  readonly RecordAnchors: {
    readonly IDENTITY: { inputs: []; output: Hex }
    readonly headOf: { inputs: [entity: Hex]; output: Hex }
    readonly leafHashOf: { inputs: [leaf: Hex]; output: Hex }
    readonly nextSequence: { inputs: [entity: Hex]; output: number }
    readonly successor: { inputs: []; output: Hex }
    readonly verifyAnchor: {
      inputs: [
        entity: Hex,
        headBefore: Hex,
        anchors: readonly { readonly root: Hex; readonly manifest: Hex; readonly count: number }[],
      ]
      output: boolean
    }
    readonly verifyLeaf: {
      inputs: [root: Hex, count: number, leafHash: Hex, index: number, proof: readonly Hex[]]
      output: boolean
    }
  }
  readonly AuditLog: {
    readonly IDENTITY: { inputs: []; output: Hex }
    readonly headOf: {
      inputs: [entity: Hex]
      output: { readonly size: bigint; readonly root: Hex; readonly publishedAt: number }
    }
    readonly successor: { inputs: []; output: Hex }
    readonly verifyConsistency: {
      inputs: [firstSize: bigint, firstRoot: Hex, secondSize: bigint, secondRoot: Hex, proof: readonly Hex[]]
      output: boolean
    }
    readonly verifyInclusion: {
      inputs: [entity: Hex, leafHash: Hex, index: bigint, proof: readonly Hex[]]
      output: boolean
    }
  }
  readonly ProxyRegistry: {
    readonly IDENTITY: { inputs: []; output: Hex }
    readonly count: { inputs: []; output: bigint }
    readonly isServing: { inputs: [proxy: Hex]; output: boolean }
    readonly list: { inputs: [start: bigint, limit: bigint]; output: readonly Hex[] }
    readonly proxyNode: {
      inputs: [proxy: Hex]
      output: { readonly owner: Hex; readonly announced: boolean; readonly receiptKey: Hex; readonly endpoint: string }
    }
    readonly successor: { inputs: []; output: Hex }
  }
}
/** Functions that write. */
export interface Writes {
  readonly IdentityRegistry: {
    readonly acceptAdministrator: []
    readonly addOperator: [entity: Hex, operator: Hex]
    readonly admitPatients: [operator: Hex, entity: Hex, ids: readonly Hex[], keyCommitments: readonly Hex[]]
    readonly authenticate: [id: Hex, general: Hex, primary: Hex]
    readonly authenticateProvider: [patient: Hex, provider: Hex, general: Hex, primary: Hex]
    readonly cancelRecovery: [id: Hex]
    readonly cancelRecoverySigned: [id: Hex, deadline: bigint, signature: Hex]
    readonly changeController: [id: Hex, controller: Hex, deadline: bigint, agreement: Hex, acceptance: Hex]
    readonly changeEncryptionKey: [id: Hex, encryptionKey: Hex]
    readonly changeEndpoint: [id: Hex, endpoint: string]
    readonly completeRecovery: [id: Hex]
    readonly connectConsentRegistry: [consentRegistry_: Hex]
    readonly expectProviders: [patient: Hex, commitments: readonly Hex[]]
    readonly expectProvidersSigned: [patient: Hex, commitments: readonly Hex[], deadline: bigint, signature: Hex]
    readonly proposeAdministrator: [administrator_: Hex]
    readonly proposeRecovery: [id: Hex, controller: Hex]
    readonly registerEntity: [
      registration: {
        readonly id: Hex
        readonly controller: Hex
        readonly validFrom: number
        readonly validTo: number
        readonly credential: Hex
        readonly encryptionKey: Hex
        readonly endpoint: string
      },
    ]
    readonly registerPatients: [
      entity: Hex,
      ids: readonly Hex[],
      controllers: readonly Hex[],
      keyCommitments: readonly Hex[],
    ]
    readonly registerPractitioner: [
      entity: Hex,
      registration: {
        readonly id: Hex
        readonly controller: Hex
        readonly validFrom: number
        readonly validTo: number
        readonly credential: Hex
        readonly encryptionKey: Hex
        readonly endpoint: string
      },
    ]
    readonly registerProxy: [
      registration: {
        readonly id: Hex
        readonly controller: Hex
        readonly validFrom: number
        readonly validTo: number
        readonly credential: Hex
        readonly encryptionKey: Hex
        readonly endpoint: string
      },
      owner: Hex,
    ]
    readonly removeOperator: [entity: Hex, operator: Hex]
    readonly retire: [successor_: Hex]
    readonly setGuardian: [id: Hex, guardian: Hex]
    readonly setGuardianSigned: [id: Hex, guardian: Hex, deadline: bigint, signature: Hex]
    readonly setStatus: [id: Hex, status: number]
    readonly setValidity: [id: Hex, validFrom: number, validTo: number]
    readonly withdrawExpectation: [patient: Hex, commitment: Hex]
  }
  readonly ConsentRegistry: {
    readonly admit: [
      entity: Hex,
      patients: readonly Hex[],
      keyCommitments: readonly Hex[],
      terms: {
        readonly actions: number
        readonly purposes: number
        readonly categories: bigint
        readonly from: number
        readonly to: number
        readonly policyHash: Hex
      },
    ]
    readonly breakGlass: [patient: Hex, grantee: Hex, reasonHash: Hex]
    readonly controllerChanged: [patient: Hex, controller: Hex]
    readonly delegate: [
      delegation: {
        readonly patient: Hex
        readonly delegate: Hex
        readonly labels: readonly Hex[]
        readonly actions: number
        readonly purposes: number
        readonly categories: bigint
        readonly from: number
        readonly to: number
        readonly nonce: bigint
        readonly deadline: number
      },
    ]
    readonly delegateSigned: [
      delegation: {
        readonly patient: Hex
        readonly delegate: Hex
        readonly labels: readonly Hex[]
        readonly actions: number
        readonly purposes: number
        readonly categories: bigint
        readonly from: number
        readonly to: number
        readonly nonce: bigint
        readonly deadline: number
      },
      signature: Hex,
    ]
    readonly grant: [
      consent: {
        readonly patient: Hex
        readonly grantee: Hex
        readonly labels: readonly Hex[]
        readonly actions: number
        readonly purposes: number
        readonly categories: bigint
        readonly from: number
        readonly to: number
        readonly packageHash: Hex
        readonly policyHash: Hex
        readonly nonce: bigint
        readonly deadline: number
      },
    ]
    readonly grantAsDelegate: [
      delegateId: Hex,
      consent: {
        readonly patient: Hex
        readonly grantee: Hex
        readonly labels: readonly Hex[]
        readonly actions: number
        readonly purposes: number
        readonly categories: bigint
        readonly from: number
        readonly to: number
        readonly packageHash: Hex
        readonly policyHash: Hex
        readonly nonce: bigint
        readonly deadline: number
      },
    ]
    readonly grantAsDelegateSigned: [
      delegateId: Hex,
      consent: {
        readonly patient: Hex
        readonly grantee: Hex
        readonly labels: readonly Hex[]
        readonly actions: number
        readonly purposes: number
        readonly categories: bigint
        readonly from: number
        readonly to: number
        readonly packageHash: Hex
        readonly policyHash: Hex
        readonly nonce: bigint
        readonly deadline: number
      },
      signature: Hex,
    ]
    readonly grantBatch: [
      consents: readonly {
        readonly patient: Hex
        readonly grantee: Hex
        readonly labels: readonly Hex[]
        readonly actions: number
        readonly purposes: number
        readonly categories: bigint
        readonly from: number
        readonly to: number
        readonly packageHash: Hex
        readonly policyHash: Hex
        readonly nonce: bigint
        readonly deadline: number
      }[],
      signatures: readonly Hex[],
    ]
    readonly grantCompact: [
      consent: {
        readonly patient: Hex
        readonly grantee: Hex
        readonly label: Hex
        readonly terms: bigint
        readonly packageHash: Hex
        readonly r: Hex
        readonly vs: Hex
      },
    ]
    readonly grantCompactBatch: [
      consents: readonly {
        readonly patient: Hex
        readonly grantee: Hex
        readonly label: Hex
        readonly terms: bigint
        readonly packageHash: Hex
        readonly r: Hex
        readonly vs: Hex
      }[],
    ]
    readonly grantSigned: [
      consent: {
        readonly patient: Hex
        readonly grantee: Hex
        readonly labels: readonly Hex[]
        readonly actions: number
        readonly purposes: number
        readonly categories: bigint
        readonly from: number
        readonly to: number
        readonly packageHash: Hex
        readonly policyHash: Hex
        readonly nonce: bigint
        readonly deadline: number
      },
      signature: Hex,
    ]
    readonly pauseGrants: []
    readonly refuseAccess: [request: Hex]
    readonly refuseAccessSigned: [request: Hex, deadline: number, signature: Hex]
    readonly requestAccess: [
      accessRequest: {
        readonly patient: Hex
        readonly grantee: Hex
        readonly labels: readonly Hex[]
        readonly actions: number
        readonly purposes: number
        readonly categories: bigint
        readonly from: number
        readonly to: number
        readonly reasonHash: Hex
      },
    ]
    readonly retire: [successor_: Hex]
    readonly revoke: [patient: Hex, grantee: Hex, labels: readonly Hex[], actions: number]
    readonly revokeAll: [patient: Hex]
    readonly revokeAllSigned: [patient: Hex, nonce: bigint, deadline: number, signature: Hex]
    readonly revokeAsDelegate: [delegateId: Hex, patient: Hex, grantee: Hex, labels: readonly Hex[], actions: number]
    readonly revokeBatch: [
      revocations: readonly {
        readonly patient: Hex
        readonly grantee: Hex
        readonly labels: readonly Hex[]
        readonly actions: number
        readonly nonce: bigint
        readonly deadline: number
      }[],
      signatures: readonly Hex[],
    ]
    readonly revokeDelegation: [patient: Hex, delegateId: Hex, labels: readonly Hex[]]
    readonly revokeDelegationSigned: [
      patient: Hex,
      delegateId: Hex,
      labels: readonly Hex[],
      nonce: bigint,
      deadline: number,
      signature: Hex,
    ]
    readonly revokeLabel: [patient: Hex, grantee: Hex, _2: Hex, actions: number]
    readonly revokeSigned: [
      revocation: {
        readonly patient: Hex
        readonly grantee: Hex
        readonly labels: readonly Hex[]
        readonly actions: number
        readonly nonce: bigint
        readonly deadline: number
      },
      signature: Hex,
    ]
    readonly setEmergencyVeto: [patient: Hex, vetoed: boolean]
    readonly setEmergencyVetoSigned: [patient: Hex, vetoed: boolean, nonce: bigint, deadline: number, signature: Hex]
    readonly unpauseGrants: []
    readonly withdrawRequest: [request: Hex]
  }
  readonly RecordAnchors: {
    readonly anchor: [entity: Hex, sequence: number, root: Hex, _3: Hex, count: number]
    readonly retire: [successor_: Hex]
  }
  readonly AuditLog: {
    readonly publish: [entity: Hex, size: bigint, root: Hex, consistencyProof: readonly Hex[]]
    readonly retire: [successor_: Hex]
  }
  readonly ProxyRegistry: {
    readonly announce: [proxy: Hex, receiptKey: Hex, endpoint: string]
    readonly retire: [successor_: Hex]
    readonly withdraw: [proxy: Hex]
  }
}
