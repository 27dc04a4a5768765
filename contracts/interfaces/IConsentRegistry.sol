// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The patient's decisions
/// @notice One storage word per (patient, grantee, label, action): from when, until when, for which purposes and
/// categories, and in which epoch of the patient it was written. `check` reads that word, the patient's account and the
/// grantee's standing: three reads, no loop, provable with `eth_getProof`.
///
/// Encodings. Label: keccak256("consentry.label." + code); `ALL_LABELS` (zero) is a label like any other: callers ask
/// `check` for the label and then for `ALL_LABELS`. Action: 0 read, 1 create, 2 update, 3 delete, 4 export, 5 subscribe,
/// and 6 emergency, which only `breakGlass` writes. Purposes: bit set; bit 7 (break the glass) is never grantable.
/// Categories: bit set, all ones is every category. Times: unix seconds, `to` exclusive, 2^40-1 is an open end.
///
/// What a word cannot say stands in a policy document whose hash is pinned beside the word; a word with the policy flag
/// is permission only for one who also enforces that document.
///
/// @dev WARNING: `check` answers for the latest block. WARNING: who granted whom is public; the ids are random but the
/// pattern of events is not. WARNING: a grant replaces the word of exactly the same key and touches no other; it does not
/// add to it. WARNING: read and write are separate: update does not imply read.
interface IConsentRegistry {
    /// @notice What a patient signs or sends to permit: one word per label and action.
    /// @param labels 1 to 64 labels.
    /// @param actions Bit set of actions 0 to 5, not empty: one word per label and action.
    /// @param purposes Bit set, not empty, without bit 7.
    /// @param categories Bit set, not empty.
    /// @param from First second of the consent.
    /// @param to Exclusive end, greater than `from` and than now.
    /// @param packageHash sha-256 of the grant package's block, or zero.
    /// @param policyHash Hash of the policy document, or zero for none.
    /// @param nonce Revocation counter of the patient (high 32 bits) and serial (low 32 bits); see `grantNonce`. The serial
    /// orders what is decided about one word: it must be greater than the word's. Use the unix time of signing. Not looked
    /// at when the controller sends the grant itself.
    /// @param deadline Last second at which the signature may be relayed; not looked at when sent by the controller.
    struct Grant {
        bytes32 patient;
        bytes32 grantee;
        bytes32[] labels;
        uint8 actions;
        uint32 purposes;
        uint64 categories;
        uint40 from;
        uint40 to;
        bytes32 packageHash;
        bytes32 policyHash;
        uint64 nonce;
        uint40 deadline;
    }

    /// @notice A signed `Grant` of exactly one word and without policy, in the fewest bytes of calldata. What the patient
    /// signs is the same `Grant` message: labels = [label], actions = 1 << action, policyHash = 0.
    /// @param terms from (40 bits, lowest), to (40), purposes (32), categories (64), action (8), deadline (40), serial (32).
    /// The high half of the nonce is not transmitted: it must be the patient's present revocation counter.
    /// @param r Signature of the controller, ECDSA only.
    /// @param vs ERC-2098 compact form.
    struct CompactGrant {
        bytes32 patient;
        bytes32 grantee;
        bytes32 label;
        uint256 terms;
        bytes32 packageHash;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice What a patient signs to take words back.
    /// @param labels 1 to 64 labels.
    /// @param actions Bit set of actions 0 to 6, not empty.
    /// @param nonce See `revocationNonce`.
    /// @param deadline Last second at which the signature may be relayed.
    struct Revocation {
        bytes32 patient;
        bytes32 grantee;
        bytes32[] labels;
        uint8 actions;
        uint64 nonce;
        uint40 deadline;
    }

    /// @notice Lets a delegate (a guardian, a representative) grant for the patient within these bounds and no further.
    /// @param delegate Party id.
    /// @param nonce See `Grant.nonce`.
    struct Delegation {
        bytes32 patient;
        bytes32 delegate;
        bytes32[] labels;
        uint8 actions;
        uint32 purposes;
        uint64 categories;
        uint40 from;
        uint40 to;
        uint64 nonce;
        uint40 deadline;
    }

    /// @notice What a grantee asks for. All of it becomes public; see `Grant` for the units.
    /// @param reasonHash Salted hash of the justification.
    struct AccessRequest {
        bytes32 patient;
        bytes32 grantee;
        bytes32[] labels;
        uint8 actions;
        uint32 purposes;
        uint64 categories;
        uint40 from;
        uint40 to;
        bytes32 reasonHash;
    }

    /// @notice The terms of the care grants that `admit` places: the same for every patient of the batch.
    struct CareTerms {
        uint8 actions;
        uint32 purposes;
        uint64 categories;
        uint40 from;
        uint40 to;
        bytes32 policyHash;
    }

    /// @notice One consent word. `flags`: 1 policy pinned, 2 by a delegate, 4 in custody, 8 break-glass.
    struct Consent {
        uint40 from;
        uint40 to;
        uint32 purposes;
        uint64 categories;
        uint32 epoch;
        uint16 flags;
        uint32 serial;
    }

    /// @notice Why `check` says no, in the order of the tests.
    enum Denial {
        None,
        NoConsent,
        EpochEnded,
        NotYet,
        Expired,
        Purpose,
        Category,
        GranteeNotActive
    }

    /// @notice One event per label, covering all actions of the bit set. Mirrors write one row per action.
    /// @param consent The word as stored: from (40 bits, lowest), to (40), purposes (32), categories (64), epoch (32),
    /// flags (16), serial (32); the same for every action of the set.
    /// @param actions Bit set of the actions written.
    event ConsentGranted(
        bytes32 indexed patient,
        bytes32 indexed grantee,
        bytes32 label,
        uint8 actions,
        uint256 consent,
        bytes32 packageHash
    );
    /// @notice Follows `ConsentGranted` of the same label if a policy document is pinned beside its words.
    event PolicyPinned(
        bytes32 indexed patient, bytes32 indexed grantee, bytes32 label, uint8 actions, bytes32 policyHash
    );
    /// @notice Emitted for each label, also where nothing was granted: a revocation always speaks.
    event ConsentRevoked(bytes32 indexed patient, bytes32 indexed grantee, bytes32 label, uint8 actions);
    /// @notice Everything written before `epoch` is void: consents, break-glass and delegations.
    event AllConsentsRevoked(bytes32 indexed patient, uint32 epoch);
    /// @notice The delegate may grant for the patient within these bounds, in place of any before for this label.
    /// @param bounds As a consent word, with the bit set of actions in the high 8 bits of the flags.
    event DelegationGranted(bytes32 indexed patient, bytes32 indexed delegate, bytes32 label, uint256 bounds);
    /// @notice The delegate may no longer grant under this label. What it has granted stays. Emitted also where nothing
    /// was delegated.
    event DelegationRevoked(bytes32 indexed patient, bytes32 indexed delegate, bytes32 label);
    /// @notice The grantee asks; nothing is permitted. Public: who asks whom for what.
    /// @param request keccak256(abi.encode(terms)).
    event AccessRequested(
        bytes32 indexed patient, bytes32 indexed grantee, bytes32 indexed request, AccessRequest terms
    );
    /// @notice The patient has refused. The request is closed and cannot be made again.
    event AccessRefused(bytes32 indexed patient, bytes32 indexed grantee, bytes32 indexed request);
    /// @notice The grantee no longer asks. The request is closed and cannot be made again.
    event AccessRequestWithdrawn(bytes32 indexed patient, bytes32 indexed grantee, bytes32 indexed request);
    /// @notice Emergency reading is open until the word's end, for all labels, and public for ever.
    /// @param reasonHash Salted hash of the justification, to be shown to the patient and to auditors.
    /// @param consent The word as stored under (`ALL_LABELS`, action 6).
    event GlassBroken(bytes32 indexed patient, bytes32 indexed grantee, uint256 consent, bytes32 reasonHash);
    /// @notice Whether the patient forbids break-glass from now on; one that is open is shut while it does.
    event EmergencyVetoChanged(bytes32 indexed patient, bool vetoed);
    /// @notice One entry of a relayed batch did not hold; the others were carried out.
    /// @param reason Selector of the error.
    event RelaySkipped(uint256 index, bytes32 indexed patient, bytes4 reason);
    /// @notice Nothing can be granted until `GrantsUnpaused`. What was granted holds, and revoking goes on.
    event GrantsPaused(address indexed by);
    /// @notice Granting is open again. What was signed during the pause can be relayed until its deadline.
    event GrantsUnpaused(address indexed by);

    /// @notice `caller` does not speak for `patient` or, as its delegate, for the delegate. To ask, withdraw or break the
    /// glass: it does not speak for the active grantee, which then stands in the place of `patient`.
    error NotAuthorised(bytes32 patient, address caller);
    /// @notice Not signed by the account that speaks for the patient (or for the active delegate), or signed by a
    /// custodian that is not active to give rights.
    error InvalidSignature(bytes32 patient);
    /// @notice `deadline`, the last unix second at which the signature may be relayed, has passed.
    error SignatureExpired(uint40 deadline);
    /// @notice The signature has been used, or a revocation has voided it, or it is for later.
    error InvalidNonce(bytes32 patient, uint64 expected, uint64 given);
    /// @notice A compact grant does not hold; `reason` is the selector of the error that says why.
    error RelayRefused(bytes32 patient, bytes4 reason);
    /// @notice `from` is not before `to`, or `to` has passed. Unix seconds.
    error InvalidPeriod(uint40 from, uint40 to);
    /// @notice The bit set is empty or has a bit above 5; to revoke: above 6.
    error InvalidActions(uint8 actions);
    /// @notice The bit set is empty or has bit 7: break-glass cannot be granted.
    error InvalidPurposes(uint32 purposes);
    /// @notice The bit set is empty.
    error InvalidCategories();
    /// @notice There must be 1 to 64 labels.
    error InvalidLabels();
    /// @notice Arrays that go together differ in length.
    error LengthMismatch();
    /// @notice The administrator has stopped what gives rights. Revoking is not stopped.
    error GrantsArePaused();
    /// @notice The identity registry does not know the id as a patient.
    error UnknownPatient(bytes32 patient);
    /// @notice Only an entity, or a practitioner whose entity is active, can break the glass.
    error GranteeNotActive(bytes32 grantee);
    /// @notice The delegate's bounds do not contain the grant.
    error BeyondDelegation(bytes32 patient, bytes32 delegate, bytes32 label);
    /// @notice A delegate may not replace what the patient has decided.
    error DecidedByPatient(bytes32 patient, bytes32 grantee, bytes32 label, uint8 action);
    /// @notice Never made, or closed.
    error UnknownRequest(bytes32 request);
    /// @notice Made before, open or closed: ask again with another salt in the reason.
    error AlreadyRequested(bytes32 request);
    /// @notice The patient forbids break-glass.
    error EmergencyVetoed(bytes32 patient);
    /// @notice Breaking the glass takes a hash of the justification.
    error ReasonRequired();
    /// @notice The grantee may read already; an open emergency cannot be prolonged.
    error GlassAlreadyBroken(bytes32 patient, bytes32 grantee);
    /// @notice `entity`, with its practitioners, has broken the glass `EMERGENCY_LIMIT` times today (UTC).
    error EmergencyLimitReached(bytes32 entity);
    /// @notice Only the identity registry may call this.
    error NotIdentityRegistry(address caller);
    /// @notice A delegate is a registered party and no proxy.
    error NotADelegate(bytes32 party);

    // ------------------------------------------------------------------ grant

    /// @notice Grants. Sent by the patient's controller (in custody: the custodian's controller or an operator).
    function grant(Grant calldata consent) external;

    /// @notice Signed twin, for anyone to relay. EIP-712 type:
    /// `Grant(bytes32 patient,bytes32 grantee,bytes32[] labels,uint8 actions,uint32 purposes,uint64 categories,uint40 from,uint40 to,bytes32 packageHash,bytes32 policyHash,uint64 nonce,uint40 deadline)`.
    function grantSigned(Grant calldata consent, bytes calldata signature) external;

    /// @notice Relays many. An entry that does not hold is skipped with `RelaySkipped`; the others stand.
    function grantBatch(Grant[] calldata consents, bytes[] calldata signatures) external;

    /// @notice Relays a signed grant of one word for a patient that has its own account, at the lowest cost.
    function grantCompact(CompactGrant calldata consent) external;

    /// @notice Relays many; see `grantBatch`.
    function grantCompactBatch(CompactGrant[] calldata consents) external;

    /// @notice Registers custodial patients and places, for each, the care grant of the custodian to itself
    /// (`ALL_LABELS`, grantee = `entity`) under `terms`, in one transaction. An operator of the active entity only: it
    /// speaks for the patients because they are in its custody, which `custodianOf` and the word's flag show.
    /// @dev A patient that is already in custody of `entity` is skipped whole, its grants untouched: a resend is harmless
    /// and cannot bring back what was revoked.
    function admit(
        bytes32 entity,
        bytes32[] calldata patients,
        bytes32[] calldata keyCommitments,
        CareTerms calldata terms
    ) external;

    // ------------------------------------------------------------------ revoke (never paused, never retired)

    /// @notice Revokes. Sent by the patient's controller; cannot fail for it, whatever the state. Every signature of a grant
    /// that has not been relayed yet becomes void.
    /// @param actions Bit set of actions 0 to 6, not empty.
    function revoke(bytes32 patient, bytes32 grantee, bytes32[] calldata labels, uint8 actions) external;

    /// @notice The same for one label, at the lowest cost.
    function revokeLabel(bytes32 patient, bytes32 grantee, bytes32 label, uint8 actions) external;

    /// @notice Signed twin:
    /// `Revocation(bytes32 patient,bytes32 grantee,bytes32[] labels,uint8 actions,uint64 nonce,uint40 deadline)`.
    function revokeSigned(Revocation calldata revocation, bytes calldata signature) external;

    /// @notice Relays many; see `grantBatch`.
    function revokeBatch(Revocation[] calldata revocations, bytes[] calldata signatures) external;

    /// @notice Voids everything the patient has granted so far by beginning a new epoch: constant cost.
    function revokeAll(bytes32 patient) external;

    /// @notice Signed twin: `RevokeAll(bytes32 patient,uint64 nonce,uint40 deadline)` with a revocation nonce.
    function revokeAllSigned(bytes32 patient, uint64 nonce, uint40 deadline, bytes calldata signature) external;

    // ------------------------------------------------------------------ delegates

    /// @notice Names a delegate within bounds. A later delegation for the same delegate and label replaces the earlier.
    function delegate(Delegation calldata delegation) external;

    /// @notice Signed twin:
    /// `Delegation(bytes32 patient,bytes32 delegate,bytes32[] labels,uint8 actions,uint32 purposes,uint64 categories,uint40 from,uint40 to,uint64 nonce,uint40 deadline)`.
    function delegateSigned(Delegation calldata delegation, bytes calldata signature) external;

    /// @notice Ends delegations. The patient's controller, or the delegate itself; cannot fail for them.
    function revokeDelegation(bytes32 patient, bytes32 delegateId, bytes32[] calldata labels) external;

    /// @notice Signed twin:
    /// `RevokeDelegation(bytes32 patient,bytes32 delegate,bytes32[] labels,uint64 nonce,uint40 deadline)`.
    function revokeDelegationSigned(
        bytes32 patient,
        bytes32 delegateId,
        bytes32[] calldata labels,
        uint64 nonce,
        uint40 deadline,
        bytes calldata signature
    ) external;

    /// @notice Grants as delegate: each label, action, purpose, category and the period must lie within a live delegation
    /// for that label or for `ALL_LABELS`. A delegate cannot delegate, and cannot replace a live word of the patient.
    /// Sent by whoever speaks for the delegate.
    function grantAsDelegate(bytes32 delegateId, Grant calldata consent) external;

    /// @notice Signed twin, signed by the delegate's controller: `DelegatedGrant(bytes32 delegate,Grant consent)Grant(…)`.
    function grantAsDelegateSigned(bytes32 delegateId, Grant calldata consent, bytes calldata signature) external;

    /// @notice Revokes as delegate what lies within a live delegation. Leaves the patient's revocation counter alone, so a
    /// delegate cannot void what the patient has signed.
    function revokeAsDelegate(
        bytes32 delegateId,
        bytes32 patient,
        bytes32 grantee,
        bytes32[] calldata labels,
        uint8 actions
    ) external;

    // ------------------------------------------------------------------ access requests

    /// @notice Asks a patient for access. Sent by whoever speaks for the active grantee. The patient answers with a grant
    /// or a refusal; nothing is permitted by asking.
    /// @return request keccak256(abi.encode(accessRequest)). The same request cannot be made twice: salt the reason.
    function requestAccess(AccessRequest calldata accessRequest) external returns (bytes32 request);

    /// @notice Refuses. The patient's controller.
    function refuseAccess(bytes32 request) external;

    /// @notice Signed twin: `RefuseAccess(bytes32 patient,bytes32 request,uint40 deadline)`; a request is closed once.
    function refuseAccessSigned(bytes32 request, uint40 deadline, bytes calldata signature) external;

    /// @notice Withdraws a request. Whoever speaks for the grantee.
    function withdrawRequest(bytes32 request) external;

    // ------------------------------------------------------------------ break-glass

    /// @notice Opens emergency reading for `EMERGENCY_TERM` seconds, for purpose break-glass alone. Sent by whoever speaks
    /// for the active grantee (entity, or practitioner of an active entity). Refused if the patient has vetoed, while an
    /// earlier one is open, or beyond `EMERGENCY_LIMIT` per entity and day. Ended early by `revoke` (action 6) or
    /// `revokeAll`.
    /// @param reasonHash Salted hash of the justification, not zero.
    function breakGlass(bytes32 patient, bytes32 grantee, bytes32 reasonHash) external;

    /// @notice Forbids (true) or allows (false, the default) break-glass. Sent by the patient's controller; forbidding is
    /// never paused or retired. Either way every signature of the patient that has not been relayed yet becomes void.
    /// @dev WARNING: an emergency that is open is shut while the veto stands. Lifting the veto within its term opens it
    /// again: `revoke` (action 6) ends it for good.
    function setEmergencyVeto(bytes32 patient, bool vetoed) external;

    /// @notice Signed twin: `EmergencyVeto(bytes32 patient,bool vetoed,uint64 nonce,uint40 deadline)` with a revocation nonce.
    function setEmergencyVetoSigned(
        bytes32 patient,
        bool vetoed,
        uint64 nonce,
        uint40 deadline,
        bytes calldata signature
    ) external;

    // ------------------------------------------------------------------ running it

    /// @notice Stops everything that gives rights; what takes them away goes on. Administrator only.
    function pauseGrants() external;

    /// @notice Opens again what `pauseGrants` stopped. Administrator only. A retired contract stays closed.
    function unpauseGrants() external;

    /// @notice The identity registry tells that a patient is spoken for by another account. Identity registry only.
    function controllerChanged(bytes32 patient, address controller) external;

    // ------------------------------------------------------------------ views

    /// @notice Whether `grantee` may do `action` now. Three storage reads.
    /// @param label One label of the record; a record with several labels needs all of them.
    /// @param action 0 to 5.
    /// @param purposes Purpose bits, not empty, all needed; if it is exactly break-glass (bit 7), only
    /// the emergency word is looked at, and only for action read.
    /// @param categories The record's category bits, not empty, all needed.
    function check(
        bytes32 patient,
        bytes32 grantee,
        bytes32 label,
        uint256 action,
        uint256 purposes,
        uint256 categories
    ) external view returns (bool);

    /// @notice The same decision with its reason.
    function denial(
        bytes32 patient,
        bytes32 grantee,
        bytes32 label,
        uint256 action,
        uint256 purposes,
        uint256 categories
    ) external view returns (Denial);

    /// @notice The word as it is stored, whether or not it permits anything: `denial` decides. Zeroes where nothing was
    /// granted; does not revert.
    /// @dev WARNING: a word of an ended epoch still shows its terms: compare `epoch` with `epochOf`.
    function consentOf(bytes32 patient, bytes32 grantee, bytes32 label, uint8 action)
        external
        view
        returns (Consent memory);

    /// @notice What must be enforced beside the word. Zero after the word is revoked or replaced without policy.
    /// @return The policy document pinned beside the word, or zero.
    function policyOf(bytes32 patient, bytes32 grantee, bytes32 label, uint8 action) external view returns (bytes32);

    /// @notice The storage slot of a word, for `eth_getProof`.
    function slotOf(bytes32 patient, bytes32 grantee, bytes32 label, uint8 action) external pure returns (bytes32);

    /// @notice The storage slot of a patient's account: controller (160 bits, lowest; zero in custody), epoch (32),
    /// revocation counter (32), flags (32; bit 0: emergency veto).
    function accountSlotOf(bytes32 patient) external pure returns (bytes32);

    /// @notice How often the patient has revoked everything; only words of this epoch count. Zero for an unknown
    /// patient.
    function epochOf(bytes32 patient) external view returns (uint32);

    /// @notice What to sign a grant with. A revocation of the patient makes it void.
    /// @return A nonce for a grant or delegation signed now: revocation counter and, as serial, the
    /// time of the latest block. Who decides twice about one word within one block counts the serial up.
    function grantNonce(bytes32 patient) external view returns (uint64);

    /// @notice What to sign a revocation with. Any revocation of the patient, also one that was sent, makes it void.
    /// @return The nonce the next signed revocation must carry: the revocation counter. Grants do not change it.
    function revocationNonce(bytes32 patient) external view returns (uint64);

    /// @notice The bounds as they are stored, whether or not they are in force: compare epoch and period, and flag 4
    /// (in custody) with `custodianOf`.
    /// @return bounds The bounds; the bit set of actions is in the high 8 bits of the flags.
    function delegationOf(bytes32 patient, bytes32 delegateId, bytes32 label)
        external
        view
        returns (Consent memory bounds);

    /// @notice Whether the patient forbids break-glass. False, the default, also for an unknown patient.
    function emergencyVetoed(bytes32 patient) external view returns (bool);

    /// @notice Whether the administrator has stopped what gives rights. A retired contract gives none either: see
    /// `successor`.
    function grantsPaused() external view returns (bool);

    /// @notice How long an emergency lasts unless it is revoked.
    /// @return Seconds a broken glass stays open.
    function EMERGENCY_TERM() external view returns (uint40);

    /// @notice The bound on emergencies per entity: counted whether or not they are revoked.
    /// @return How often an entity may break the glass per day (UTC), its practitioners included.
    function EMERGENCY_LIMIT() external view returns (uint16);
}
