// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Retirable} from "../base/Retirable.sol";
import {IConsentRegistry} from "../interfaces/IConsentRegistry.sol";
import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";

/// @notice Where parties are kept, and who speaks for them.
abstract contract Parties is IIdentityRegistry, Retirable {
    /// @dev One storage word, so that asking for a party's standing costs one read.
    struct Standing {
        address controller;
        Kind kind;
        Status status;
        uint40 validFrom;
        uint40 validTo;
    }

    /// @inheritdoc IIdentityRegistry
    address public administrator;
    /// @inheritdoc IIdentityRegistry
    address public consentRegistry;

    mapping(bytes32 party => Standing) internal _standings;
    mapping(bytes32 party => bytes32) internal _parents;
    mapping(bytes32 party => bytes32) internal _keyCommitments;
    mapping(bytes32 party => bytes32) internal _credentials;
    mapping(bytes32 entity => mapping(address account => bool)) internal _operators;

    constructor(address administrator_) {
        administrator = administrator_;
        emit AdministratorChanged(address(0), administrator_);
    }

    modifier onlyOperator(bytes32 entity, address account) {
        if (!operates(entity, account)) revert NotAuthorised(entity, account);
        _;
    }

    /// @inheritdoc IIdentityRegistry
    function kindOf(bytes32 id) public view returns (Kind) {
        return _standings[id].kind;
    }

    /// @inheritdoc IIdentityRegistry
    function party(bytes32 id) external view returns (Party memory) {
        Standing memory standing = _standings[id];
        return Party({
            controller: standing.controller,
            kind: standing.kind,
            status: standing.status,
            validFrom: standing.validFrom,
            validTo: standing.validTo,
            parent: _parents[id],
            keyCommitment: _keyCommitments[id],
            credential: _credentials[id]
        });
    }

    /// @inheritdoc IIdentityRegistry
    function controllerOf(bytes32 id) public view returns (address controller) {
        controller = _standings[id].controller;
        if (controller == address(0)) controller = _standings[_parents[id]].controller;
    }

    /// @inheritdoc IIdentityRegistry
    function custodianOf(bytes32 patient) public view returns (bytes32) {
        Standing memory standing = _standings[patient];
        return standing.kind == Kind.Patient && standing.controller == address(0) ? _parents[patient] : bytes32(0);
    }

    /// @inheritdoc IIdentityRegistry
    function isActive(bytes32 id) public view returns (bool) {
        return _isActive(_standings[id]);
    }

    /// @inheritdoc IIdentityRegistry
    function operates(bytes32 entity, address account) public view returns (bool) {
        Standing memory standing = _standings[entity];
        return standing.kind == Kind.Entity && _isActive(standing)
            && (standing.controller == account || _operators[entity][account]);
    }

    /// @inheritdoc IIdentityRegistry
    function speaksFor(bytes32 id, address account) public view returns (bool) {
        Standing memory standing = _standings[id];
        if (standing.kind == Kind.Entity) return operates(id, account);
        if (!_isActive(standing)) return false;
        return standing.controller == address(0) ? operates(_parents[id], account) : standing.controller == account;
    }

    function _isActive(Standing memory standing) private view returns (bool) {
        return
            standing.status == Status.Active && standing.validFrom <= block.timestamp
                && block.timestamp < standing.validTo;
    }

    function _known(bytes32 id) internal view returns (Standing storage standing) {
        standing = _standings[id];
        if (standing.kind == Kind.None) revert UnknownParty(id);
    }

    function _requireSpeaker(bytes32 id) internal view {
        if (!speaksFor(id, msg.sender)) revert NotAuthorised(id, msg.sender);
    }

    function _create(bytes32 id, Standing memory standing, bytes32 parent, bytes32 keyCommitment) internal {
        if (id == 0) revert InvalidId();
        if (_standings[id].kind != Kind.None) revert AlreadyRegistered(id);
        _standings[id] = standing;
        if (parent != 0) _parents[id] = parent;
        if (keyCommitment != 0) _keyCommitments[id] = keyCommitment;
    }

    /// @dev The last step of each caller; the consent registry is named by the administrator and calls nobody from here.
    function _tellConsentRegistry(bytes32 patient, address controller) internal {
        address registry = consentRegistry;
        if (registry != address(0)) IConsentRegistry(registry).controllerChanged(patient, controller);
    }

    function _administrator() internal view override returns (address) {
        return administrator;
    }
}
