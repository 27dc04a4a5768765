// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Retirable} from "./base/Retirable.sol";
import {Controllers} from "./identity/Controllers.sol";
import {ExpectedProviders} from "./identity/ExpectedProviders.sol";
import {Parties} from "./identity/Parties.sol";
import {IConsentRegistry} from "./interfaces/IConsentRegistry.sol";
import {IIdentityRegistry} from "./interfaces/IIdentityRegistry.sol";
import {IRetirable} from "./interfaces/IRetirable.sol";
import {EncryptionKeys} from "./libraries/EncryptionKeys.sol";
import {Standing, Standings} from "./libraries/Standings.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @notice See {IIdentityRegistry}, which is the specification.
contract IdentityRegistry is Controllers, ExpectedProviders {
    address private _proposedAdministrator;

    /// @param administrator_ The consortium's account.
    /// @param recoveryDelay Seconds between the proposal and the completion of a recovery.
    constructor(address administrator_, uint40 recoveryDelay)
        EIP712("Consentry IdentityRegistry", "1")
        Parties(administrator_)
        Controllers(recoveryDelay)
    {
        if (administrator_ == address(0)) revert InvalidController();
    }

    // ------------------------------------------------------------------ administrator

    /// @inheritdoc IIdentityRegistry
    function registerEntity(Registration calldata registration) external onlyAdministrator whileInForce {
        if (registration.controller == address(0)) revert InvalidController();
        _register(registration, Kind.Entity, 0);
        emit EntityRegistered(
            registration.id,
            registration.controller,
            registration.validFrom,
            registration.validTo,
            registration.credential,
            registration.encryptionKey,
            registration.endpoint
        );
    }

    /// @inheritdoc IIdentityRegistry
    function registerProxy(Registration calldata registration, bytes32 owner) external onlyAdministrator whileInForce {
        if (registration.controller == address(0)) revert InvalidController();
        _register(registration, Kind.Proxy, owner);
        emit ProxyRegistered(
            registration.id,
            owner,
            registration.controller,
            registration.validFrom,
            registration.validTo,
            registration.credential,
            registration.encryptionKey,
            registration.endpoint
        );
    }

    /// @inheritdoc IIdentityRegistry
    function proposeAdministrator(address administrator_) external onlyAdministrator {
        _proposedAdministrator = administrator_;
        emit AdministratorProposed(administrator_);
    }

    /// @inheritdoc IIdentityRegistry
    function acceptAdministrator() external {
        if (msg.sender != _proposedAdministrator) revert NotAdministrator(msg.sender);
        emit AdministratorChanged(administrator, msg.sender);
        administrator = msg.sender;
        delete _proposedAdministrator;
    }

    /// @inheritdoc IIdentityRegistry
    function connectConsentRegistry(address consentRegistry_) external onlyAdministrator {
        address present = consentRegistry;
        if (
            consentRegistry_.code.length == 0
                || (present != address(0) && IRetirable(present).successor() != consentRegistry_)
        ) revert InvalidSuccessor(consentRegistry_);
        consentRegistry = consentRegistry_;
        emit ConsentRegistryConnected(consentRegistry_);
    }

    // ------------------------------------------------------------------ entity

    /// @inheritdoc IIdentityRegistry
    function registerPractitioner(bytes32 entity, Registration calldata registration)
        external
        onlyOperator(entity, msg.sender)
        whileInForce
    {
        if (bytes(registration.endpoint).length != 0) revert TextAboutPerson();
        _register(registration, Kind.Practitioner, entity);
        emit PractitionerRegistered(
            registration.id,
            entity,
            registration.controller,
            registration.validFrom,
            registration.validTo,
            registration.credential,
            registration.encryptionKey
        );
    }

    /// @inheritdoc IIdentityRegistry
    function registerPatients(
        bytes32 entity,
        bytes32[] calldata ids,
        address[] calldata controllers,
        bytes32[] calldata keyCommitments
    ) external onlyOperator(entity, msg.sender) whileInForce {
        if (ids.length != controllers.length || ids.length != keyCommitments.length) {
            revert LengthMismatch();
        }
        address custodian = _standings[entity].controller();
        for (uint256 i = 0; i < ids.length; ++i) {
            address controller = controllers[i];
            // Custody must show as custody: the entity's own accounts are not patients' wallets.
            if (controller != address(0) && (controller == custodian || _operators[entity][controller])) {
                revert InvalidController();
            }
            if (_registerPatient(entity, ids[i], controller, keyCommitments[i]) && controller != address(0)) {
                _tellConsentRegistry(ids[i], controller);
            }
        }
    }

    /// @inheritdoc IIdentityRegistry
    function admitPatients(address operator, bytes32 entity, bytes32[] calldata ids, bytes32[] calldata keyCommitments)
        external
        onlyOperator(entity, operator)
        whileInForce
        returns (bool[] memory admitted)
    {
        if (msg.sender != consentRegistry) revert NotConsentRegistry(msg.sender);
        if (ids.length != keyCommitments.length) revert LengthMismatch();
        admitted = new bool[](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            admitted[i] = _registerPatient(entity, ids[i], address(0), keyCommitments[i]);
        }
    }

    /// @inheritdoc IIdentityRegistry
    function setStatus(bytes32 id, Status status) external {
        Standing standing = _requireSupervisor(id, status == Status.Revoked);
        Status present = standing.status();
        bool allowed = present != Status.Revoked
            && (status == Status.Revoked
                || (present == Status.Active && status == Status.Suspended)
                || (present == Status.Suspended && status == Status.Active));
        if (!allowed) revert InvalidStatus(id, present, status);
        _standings[id] = standing.withStatus(status);
        emit StatusChanged(id, status);
    }

    /// @inheritdoc IIdentityRegistry
    function setValidity(bytes32 id, uint40 validFrom, uint40 validTo) external {
        Standing standing = _requireSupervisor(id, false);
        if (validFrom >= validTo) revert InvalidValidity(validFrom, validTo);
        _standings[id] = standing.withValidity(validFrom, validTo);
        emit ValidityChanged(id, validFrom, validTo);
    }

    /// @inheritdoc IIdentityRegistry
    function addOperator(bytes32 entity, address operator) external {
        Standing standing = _known(entity);
        if (standing.kind() != Kind.Entity) revert WrongKind(entity, standing.kind());
        if (msg.sender != standing.controller() || !standing.isActive()) revert NotAuthorised(entity, msg.sender);
        if (operator == address(0)) revert InvalidController();
        _operators[entity][operator] = true;
        emit OperatorAdded(entity, operator);
    }

    /// @inheritdoc IIdentityRegistry
    function removeOperator(bytes32 entity, address operator) external {
        if (msg.sender != _known(entity).controller()) revert NotAuthorised(entity, msg.sender);
        delete _operators[entity][operator];
        emit OperatorRemoved(entity, operator);
    }

    // ------------------------------------------------------------------ any party

    /// @inheritdoc IIdentityRegistry
    function authenticate(bytes32 id, bytes32 general, bytes32 primary) external whileInForce {
        Standing standing = _known(id);
        if (msg.sender != controllerOf(id)) revert NotAuthorised(id, msg.sender);
        if (standing.status() != Status.Pending) revert InvalidStatus(id, standing.status(), Status.Active);
        if (keccak256(abi.encode(id, general, primary)) != _credentials[id]) revert NotExpected(id);
        _standings[id] = standing.withStatus(Status.Active);
        emit PartyAuthenticated(id);
        emit StatusChanged(id, Status.Active);
    }

    /// @inheritdoc IIdentityRegistry
    function changeEncryptionKey(bytes32 id, bytes calldata encryptionKey) external {
        _requireSpeaker(id);
        if (!EncryptionKeys.isWellFormed(encryptionKey)) revert InvalidEncryptionKey();
        _keyCommitments[id] = keccak256(encryptionKey);
        emit EncryptionKeyChanged(id, encryptionKey);
    }

    /// @inheritdoc IIdentityRegistry
    function changeEndpoint(bytes32 id, string calldata endpoint) external {
        Kind kind = _known(id).kind();
        if (kind != Kind.Entity && kind != Kind.Proxy) revert WrongKind(id, kind);
        _requireSpeaker(id);
        emit EndpointChanged(id, endpoint);
    }

    /// @dev A credential makes the registration wait for `authenticate`.
    function _register(Registration calldata registration, Kind kind, bytes32 parent) private {
        if (registration.validFrom >= registration.validTo) {
            revert InvalidValidity(registration.validFrom, registration.validTo);
        }
        if (!EncryptionKeys.isWellFormed(registration.encryptionKey)) revert InvalidEncryptionKey();
        _create(
            registration.id,
            Standings.pack(
                registration.controller,
                kind,
                registration.credential == 0 ? Status.Active : Status.Pending,
                registration.validFrom,
                registration.validTo
            ),
            parent,
            keccak256(registration.encryptionKey)
        );
        if (registration.credential != 0) _credentials[registration.id] = registration.credential;
    }

    /// @return Whether it was registered now; false if the entity had registered it in the same way before.
    function _registerPatient(bytes32 entity, bytes32 id, address controller, bytes32 keyCommitment)
        private
        returns (bool)
    {
        Standing standing = _standings[id];
        if (standing.kind() == Kind.Patient && standing.controller() == controller && _parents[id] == entity) {
            return false;
        }
        _create(
            id,
            Standings.pack(controller, Kind.Patient, Status.Active, uint40(block.timestamp), type(uint40).max),
            entity,
            keyCommitment
        );
        emit PatientRegistered(id, entity, controller, keyCommitment);
        return true;
    }

    /// @dev Entities and proxies: the administrator. Practitioners: an operator of their active entity, and the
    /// administrator to revoke. Patients: nobody.
    function _requireSupervisor(bytes32 id, bool revoking) private view returns (Standing standing) {
        standing = _known(id);
        Kind kind = standing.kind();
        if (kind == Kind.Patient) revert WrongKind(id, kind);
        bool may = msg.sender == administrator && (kind != Kind.Practitioner || revoking);
        may = may || (kind == Kind.Practitioner && _operates(_parents[id], msg.sender));
        if (!may) revert NotAuthorised(id, msg.sender);
    }
}
