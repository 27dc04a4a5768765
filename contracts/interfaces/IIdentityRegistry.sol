// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Who is who, without saying who
/// @notice Parties are random 32-byte ids. An id carries a kind, a standing, a validity and the account that speaks for
/// it; nothing here may be computed from a person's data, and no function takes text about a person.
///
/// Registration goes down one line: administrator -> entities and proxies; entity -> practitioners and patients.
///
/// A party without an account of its own (`controller` zero) is spoken for by its parent entity. For a patient that is
/// *custody*: visible to everyone in `custodianOf`, and ended by `changeController` with the patient's wallet.
///
/// @dev WARNING: ids are chosen by the registrar and are first come, first served. Use 32 random bytes; a guessable id
/// can be taken by another entity. WARNING: public keys, endpoints and the registrar of a patient are public for ever.
interface IIdentityRegistry {
    /// @notice What a party is; it never changes. `None`: the id is not registered.
    enum Kind {
        None,
        Entity,
        Practitioner,
        Patient,
        Proxy
    }

    /// @notice Whether a party counts, apart from its validity; `isActive` looks at both.
    /// @dev `Revoked` is final. `Pending` waits for `authenticate`. A patient is always `Active`: nobody can suspend one.
    enum Status {
        None,
        Active,
        Suspended,
        Revoked,
        Pending
    }

    /// @notice All that is kept about a party.
    /// @param controller The account that speaks for the party; zero: the parent's controller does (custody).
    /// @param validFrom Unix seconds, first second of validity.
    /// @param validTo Unix seconds, first second after validity; 2^40-1 is an open end.
    /// @param parent The registrar: the entity of a practitioner or patient, the owner of a proxy; zero for an entity.
    /// @param keyCommitment keccak256 of the 33-byte compressed secp256k1 encryption key, or zero.
    /// @param credential keccak256(abi.encode(id, general, primary)) that `authenticate` must match, or zero.
    struct Party {
        address controller;
        Kind kind;
        Status status;
        uint40 validFrom;
        uint40 validTo;
        bytes32 parent;
        bytes32 keyCommitment;
        bytes32 credential;
    }

    /// @notice What a registrar says of an entity, a proxy or a practitioner.
    /// @param id 32 random bytes.
    /// @param controller The party's account. Required for entities and proxies; a practitioner may leave it zero.
    /// @param validFrom Unix seconds.
    /// @param validTo Unix seconds, 2^40-1 for an open end.
    /// @param credential See `Party.credential`. If not zero, the party starts `Pending` until it authenticates.
    /// @param encryptionKey 33 bytes, compressed secp256k1; published in the event.
    /// @param endpoint URL of the gateway or proxy; organisations only, empty for practitioners.
    struct Registration {
        bytes32 id;
        address controller;
        uint40 validFrom;
        uint40 validTo;
        bytes32 credential;
        bytes encryptionKey;
        string endpoint;
    }

    /// @notice The administrator has registered an entity.
    /// @param credential Zero: active within its validity. Otherwise `Pending` until `authenticate` matches it.
    /// @param encryptionKey 33 bytes, compressed secp256k1; not checked to be on the curve.
    event EntityRegistered(
        bytes32 indexed entity,
        address indexed controller,
        uint40 validFrom,
        uint40 validTo,
        bytes32 credential,
        bytes encryptionKey,
        string endpoint
    );
    /// @notice The administrator has registered a re-encryption proxy. Whether it serves, the proxy registry says.
    /// @param owner Party id, or zero; not checked.
    /// @param credential See `EntityRegistered`.
    event ProxyRegistered(
        bytes32 indexed proxy,
        bytes32 indexed owner,
        address indexed controller,
        uint40 validFrom,
        uint40 validTo,
        bytes32 credential,
        bytes encryptionKey,
        string endpoint
    );
    /// @notice An entity has registered a practitioner, which makes the employment public.
    /// @param controller Zero: the entity speaks for the practitioner.
    /// @param credential See `EntityRegistered`.
    event PractitionerRegistered(
        bytes32 indexed practitioner,
        bytes32 indexed entity,
        address indexed controller,
        uint40 validFrom,
        uint40 validTo,
        bytes32 credential,
        bytes encryptionKey
    );
    /// @notice An entity has registered a patient: public for ever that this id is known to this entity since then.
    /// @param keyCommitment keccak256 of the 33-byte encryption key, or zero.
    /// @param controller Zero: the patient is in the custody of `entity`.
    event PatientRegistered(
        bytes32 indexed patient, bytes32 indexed entity, address indexed controller, bytes32 keyCommitment
    );
    /// @notice The party has shown the information that its registrar committed to. `StatusChanged` to `Active`
    /// follows.
    event PartyAuthenticated(bytes32 indexed party);
    /// @notice The party has this status now; `Active` counts only within its validity.
    event StatusChanged(bytes32 indexed party, Status status);
    /// @notice The party is valid from `validFrom` until before `validTo`, in unix seconds.
    event ValidityChanged(bytes32 indexed party, uint40 validFrom, uint40 validTo);
    /// @notice The party's new key, 33 bytes. What was encrypted to the key before needs that key still.
    event EncryptionKeyChanged(bytes32 indexed party, bytes encryptionKey);
    /// @notice The organisation is reached at another URL; an empty one: at none.
    event EndpointChanged(bytes32 indexed party, string endpoint);
    /// @notice `operator` may act for the entity while the entity is active.
    event OperatorAdded(bytes32 indexed entity, address indexed operator);
    /// @notice `operator` may no longer act for the entity. Emitted also if it never could.
    event OperatorRemoved(bytes32 indexed entity, address indexed operator);
    /// @notice Another account speaks for the party: handed over, claimed from custody, or recovered.
    /// @param previous The account that spoke for it until now; in custody, the custodian's controller.
    event ControllerChanged(bytes32 indexed party, address indexed previous, address indexed controller);
    /// @notice The patient has taken its key out of the custody of `entity`.
    event CustodyEnded(bytes32 indexed patient, bytes32 indexed entity);
    /// @notice `guardian` may recover the party; zero: nobody is named.
    event GuardianChanged(bytes32 indexed party, address indexed guardian);
    /// @notice A recovery has begun, in place of any before. The present controller has until `executableFrom` to
    /// cancel it.
    /// @param controller Who would speak for the party.
    /// @param executableFrom Unix seconds.
    event RecoveryProposed(bytes32 indexed party, address indexed controller, uint40 executableFrom);
    /// @notice The recovery that was proposed will not take place.
    event RecoveryCancelled(bytes32 indexed party);
    /// @notice The patient expects a provider. The commitment names none to who cannot guess what it was made from.
    event ProviderExpected(bytes32 indexed patient, bytes32 commitment);
    /// @notice The patient has withdrawn an expectation that was not met.
    event ProviderNoLongerExpected(bytes32 indexed patient, bytes32 commitment);
    /// @notice The provider is one that the patient expected: from here on the relation of the two ids is public.
    event ProviderAuthenticated(bytes32 indexed patient, bytes32 indexed provider);
    /// @notice `administrator` may accept the administration; zero: nobody may. Replaces any proposal before.
    event AdministratorProposed(address indexed administrator);
    /// @notice The administration is in other hands; `previous` is zero at deployment.
    event AdministratorChanged(address indexed previous, address indexed administrator);
    /// @notice The consent registry that is told of changed controllers and may admit patients.
    event ConsentRegistryConnected(address indexed consentRegistry);

    /// @notice The id is taken: choose another 32 random bytes.
    error AlreadyRegistered(bytes32 party);
    /// @notice The id is not registered.
    error UnknownParty(bytes32 party);
    /// @notice `caller` does not speak for `party`, or the party is not in good standing.
    error NotAuthorised(bytes32 party, address caller);
    /// @notice `party` is of a kind of which this cannot be asked.
    error WrongKind(bytes32 party, Kind kind);
    /// @notice The id is zero.
    error InvalidId();
    /// @notice The account is zero where one is needed, speaks for the party already, or is the custodian's own.
    error InvalidController();
    /// @notice `validFrom` is not before `validTo`.
    error InvalidValidity(uint40 validFrom, uint40 validTo);
    /// @notice An encryption key is 33 bytes, beginning with 2 or 3.
    error InvalidEncryptionKey();
    /// @notice There is no way from the present status `from` to `to`; from `Revoked` there is none at all.
    error InvalidStatus(bytes32 party, Status from, Status to);
    /// @notice Arrays that go together differ in length.
    error LengthMismatch();
    /// @notice The submitted information does not match the expected commitment.
    error NotExpected(bytes32 party);
    /// @notice No recovery is under way.
    error NoRecovery(bytes32 party);
    /// @notice The delay ends at `executableFrom`, in unix seconds.
    error RecoveryNotDue(uint40 executableFrom);
    /// @notice Only the connected consent registry may call this.
    error NotConsentRegistry(address caller);
    /// @notice An endpoint is for organisations; nothing here may describe a person.
    error TextAboutPerson();
    /// @notice `deadline`, the last unix second at which the signature may be relayed, has passed.
    error SignatureExpired(uint256 deadline);

    // ------------------------------------------------------------------ administrator

    /// @notice Registers a healthcare entity. Administrator only.
    function registerEntity(Registration calldata registration) external;

    /// @notice Registers a re-encryption proxy of `owner` (an id of the owner, or zero). Administrator only.
    function registerProxy(Registration calldata registration, bytes32 owner) external;

    /// @notice Begins handing the administration to another account, which must accept. Administrator only.
    function proposeAdministrator(address administrator) external;

    /// @notice Accepts the administration. The proposed account only.
    function acceptAdministrator() external;

    /// @notice Names the consent registry that is told of every change of a patient's controller and may register the
    /// custodial patients that an entity admits. Administrator only. A second one can be named only once the first is
    /// retired in its favour.
    function connectConsentRegistry(address consentRegistry) external;

    // ------------------------------------------------------------------ entity

    /// @notice Registers a practitioner of `entity`. An operator of the active entity only.
    function registerPractitioner(bytes32 entity, Registration calldata registration) external;

    /// @notice Registers patients. An operator of the active entity only.
    /// @dev A resend is harmless: an id already registered by the same entity with the same controller is skipped.
    /// @param controllers The patients' own accounts; zero puts the patient into the custody of `entity`.
    /// @param keyCommitments keccak256 of each patient's public key, or zero.
    function registerPatients(
        bytes32 entity,
        bytes32[] calldata ids,
        address[] calldata controllers,
        bytes32[] calldata keyCommitments
    ) external;

    /// @notice The same for custodial patients, called by the connected consent registry on behalf of `operator`.
    /// @return admitted Per patient: true if it was registered now, false if it already was in custody of `entity`.
    function admitPatients(address operator, bytes32 entity, bytes32[] calldata ids, bytes32[] calldata keyCommitments)
        external
        returns (bool[] memory admitted);

    /// @notice Suspends, restores or revokes. Entities and proxies: the administrator. Practitioners: an operator of their
    /// entity; the administrator may revoke them. Patients: nobody. `Revoked` is final.
    function setStatus(bytes32 party, Status status) external;

    /// @notice Changes the validity. Same callers as `setStatus`, but the administrator never for a practitioner.
    function setValidity(bytes32 party, uint40 validFrom, uint40 validTo) external;

    /// @notice Lets a hot key (the gateway's) act for the entity: register, anchor, publish, admit, break the glass.
    /// The entity's controller only.
    /// @dev An operator cannot appoint operators or change the controller.
    function addOperator(bytes32 entity, address operator) external;

    /// @notice Withdraws a hot key. The entity's controller only; works whatever the entity's standing.
    function removeOperator(bytes32 entity, address operator) external;

    // ------------------------------------------------------------------ any party

    /// @notice Completes the registration of a `Pending` party: admits it only if what it submits matches the
    /// commitment of its registrar. The party's controller only.
    /// @param general Salted digest of the general information.
    /// @param primary Salted digest of the primary information.
    /// @dev WARNING: digests become public: salt them, or short data can be guessed from them.
    function authenticate(bytes32 party, bytes32 general, bytes32 primary) external;

    /// @notice Publishes a new encryption key. Whoever speaks for the active party; see `speaksFor`.
    function changeEncryptionKey(bytes32 party, bytes calldata encryptionKey) external;

    /// @notice Publishes a new endpoint of an entity or proxy. Whoever speaks for it while it is active.
    function changeEndpoint(bytes32 party, string calldata endpoint) external;

    /// @notice Hands the party to another account: both must agree, each by sending or by signing
    /// `ChangeController(bytes32 party,address controller,uint256 nonce,uint256 deadline)`.
    /// @dev Claiming: for a patient in custody the present side is the custodian, the new side is the patient's wallet;
    /// custody ends, and with it every delegation made in custody. Grants stay, so that
    /// care goes on; the patient may `revokeAll`.
    /// @param agreement Signature of the present controller; empty if it is the sender.
    /// @param acceptance Signature of the new controller; empty if it is the sender.
    function changeController(
        bytes32 party,
        address controller,
        uint256 deadline,
        bytes calldata agreement,
        bytes calldata acceptance
    ) external;

    /// @notice Names the account that may recover the party, or zero. The party's own controller only, so not in custody.
    /// @dev WARNING: recovery is for a key that was lost. Whoever holds the present key can cancel a recovery and name
    /// another guardian.
    function setGuardian(bytes32 party, address guardian) external;

    /// @notice Signed twin: `SetGuardian(bytes32 party,address guardian,uint256 nonce,uint256 deadline)`.
    function setGuardianSigned(bytes32 party, address guardian, uint256 deadline, bytes calldata signature) external;

    /// @notice Begins a recovery. The guardian only; for an entity or proxy without guardian, the administrator.
    /// Never possible for a patient in custody (the custodian speaks for it).
    function proposeRecovery(bytes32 party, address controller) external;

    /// @notice Stops a recovery. The present controller, or whoever could propose one.
    function cancelRecovery(bytes32 party) external;

    /// @notice Signed twin: `CancelRecovery(bytes32 party,uint256 nonce,uint256 deadline)`.
    function cancelRecoverySigned(bytes32 party, uint256 deadline, bytes calldata signature) external;

    /// @notice Completes a recovery once the delay has passed. Anyone.
    function completeRecovery(bytes32 party) external;

    // ------------------------------------------------------------------ expected providers (patients)

    /// @notice Registers commitments to the providers that the patient expects. Whoever speaks for the patient: its
    /// controller, or in custody the controller and operators of the active custodian. Not once retired.
    /// @param commitments keccak256(abi.encode(patient, provider, general, primary)).
    function expectProviders(bytes32 patient, bytes32[] calldata commitments) external;

    /// @notice Signed twin:
    /// `ExpectProviders(bytes32 patient,bytes32[] commitments,uint256 nonce,uint256 deadline)`.
    function expectProvidersSigned(
        bytes32 patient,
        bytes32[] calldata commitments,
        uint256 deadline,
        bytes calldata signature
    ) external;

    /// @notice Withdraws an expectation that has not been met. Same callers as `expectProviders`; also once retired, and for
    /// the controller of a custodian that is not active. Reverts with `NotExpected` if there is none.
    function withdrawExpectation(bytes32 patient, bytes32 commitment) external;

    /// @notice A provider (practitioner or entity, active) shows a patient that it is the expected one. Sent by whoever
    /// speaks for the provider; refused with `NotExpected` unless the submitted information matches a commitment.
    function authenticateProvider(bytes32 patient, bytes32 provider, bytes32 general, bytes32 primary) external;

    // ------------------------------------------------------------------ views

    /// @notice What a party is, whatever its status. `None` for an unknown id; does not revert.
    function kindOf(bytes32 id) external view returns (Kind);

    /// @notice Who registered a practitioner or patient, or owns a proxy. It stays when custody ends. Zero if unknown.
    /// @return The registrar of a practitioner or patient, the owner of a proxy.
    function parentOf(bytes32 id) external view returns (bytes32);

    /// @notice All that is kept about a party; zeroes for an unknown id.
    /// @dev WARNING: neither `status` nor `controller` alone says whether and by whom it may act: ask `isActive` and
    /// `speaksFor`.
    function party(bytes32 id) external view returns (Party memory);

    /// @notice The account that speaks for a party now: its own controller, or its parent's.
    /// @return Zero for an unknown party.
    function controllerOf(bytes32 id) external view returns (address);

    /// @notice Who speaks for a patient without an account of its own. Zero for a patient that has one, and for any
    /// other id.
    /// @return The entity that has the patient in custody, or zero.
    function custodianOf(bytes32 patient) external view returns (bytes32);

    /// @notice Whether a party is active and within its validity. One storage read.
    /// @dev A practitioner's own standing only: an entity that leaves does not end what patients gave persons.
    function isActive(bytes32 id) external view returns (bool);

    /// @notice Whether `account` may act for the active entity: its controller or one of its operators.
    function operates(bytes32 entity, address account) external view returns (bool);

    /// @notice Whether `account` may act for the active party: its controller, or, if it has none of its own, an operator
    /// of its active parent; for an entity also its operators.
    function speaksFor(bytes32 id, address account) external view returns (bool);

    /// @notice The account that may propose a recovery, or zero: then the administrator may for an entity or proxy, and
    /// nobody for a person.
    function guardianOf(bytes32 id) external view returns (address);

    /// @notice The recovery that is under way. Wallets should watch it: only the delay protects the present controller.
    /// @return controller The proposed controller, or zero.
    /// @return executableFrom Unix seconds.
    function recoveryOf(bytes32 id) external view returns (address controller, uint40 executableFrom);

    /// @notice Whether the patient has this commitment open: not yet met and not withdrawn. False for unknown ids.
    function isExpected(bytes32 patient, bytes32 commitment) external view returns (bool);

    /// @notice Whether the provider once met an expectation of the patient. It stays true for ever.
    /// @dev WARNING: it is no permission, and no word on the provider's present standing: ask the consent registry's
    /// `check` and `isActive`.
    function isAuthenticated(bytes32 patient, bytes32 provider) external view returns (bool);

    /// @notice Counts what was signed for the party, and every `changeController`, also one that was sent: whatever was
    /// signed with an earlier number is void.
    /// @return The nonce the party's next signature on this contract must carry.
    function nonces(bytes32 id) external view returns (uint256);

    /// @notice The consortium's account, which registers entities and proxies and can do nothing for a patient.
    function administrator() external view returns (address);

    /// @notice The connected consent registry; zero until there is one.
    function consentRegistry() external view returns (address);

    /// @notice How long the present controller has to cancel a recovery. Fixed at deployment.
    /// @return Seconds between the proposal and the completion of a recovery.
    function RECOVERY_DELAY() external view returns (uint40);
}
