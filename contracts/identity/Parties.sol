// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Retirable} from "../base/Retirable.sol";
import {IConsentRegistry} from "../interfaces/IConsentRegistry.sol";
import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";
import {Standing} from "../libraries/Standings.sol";

/// @notice Where parties are kept, and who speaks for them.
abstract contract Parties is IIdentityRegistry, Retirable {
    // As inline assembly can read them: Status.Active, and with Kind.Entity below it.
    uint256 private constant ACTIVE = 1;
    uint256 private constant ACTIVE_ENTITY = 0x0101;

    /// @inheritdoc IIdentityRegistry
    address public administrator;
    /// @inheritdoc IIdentityRegistry
    address public consentRegistry;

    /// @dev One word, so that asking for a party's standing costs one read.
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
        if (!_operates(entity, account)) revert NotAuthorised(entity, account);
        _;
    }

    /// @inheritdoc IIdentityRegistry
    function kindOf(bytes32 id) public view returns (Kind) {
        return _standings[id].kind();
    }

    /// @inheritdoc IIdentityRegistry
    function party(bytes32 id) external view returns (Party memory) {
        Standing standing = _standings[id];
        return Party({
            controller: standing.controller(),
            kind: standing.kind(),
            status: standing.status(),
            validFrom: standing.validFrom(),
            validTo: standing.validTo(),
            parent: _parents[id],
            keyCommitment: _keyCommitments[id],
            credential: _credentials[id]
        });
    }

    /// @inheritdoc IIdentityRegistry
    function controllerOf(bytes32 id) public view returns (address controller) {
        controller = _standings[id].controller();
        if (controller == address(0)) controller = _standings[_parents[id]].controller();
    }

    /// @inheritdoc IIdentityRegistry
    function custodianOf(bytes32 patient) public view returns (bytes32) {
        Standing standing = _standings[patient];
        return standing.kind() == Kind.Patient && standing.controller() == address(0) ? _parents[patient] : bytes32(0);
    }

    /// @inheritdoc IIdentityRegistry
    /// @dev Answers for itself: it lies on the path of every `check`.
    function isActive(bytes32 id) external view returns (bool) {
        assembly ("memory-safe") {
            mstore(0x00, id)
            mstore(0x20, _standings.slot)
            let standing := sload(keccak256(0x00, 0x40))
            // status, validFrom, validTo
            mstore(
                0x00,
                and(
                    and(
                        eq(and(shr(168, standing), 0xff), ACTIVE),
                        iszero(gt(and(shr(176, standing), 0xffffffffff), timestamp()))
                    ),
                    gt(shr(216, standing), timestamp())
                )
            )
            return(0x00, 0x20)
        }
    }

    /// @inheritdoc IIdentityRegistry
    /// @dev Answers for itself: it lies on the path of every `anchor`.
    function operates(bytes32 entity, address account) external view returns (bool) {
        assembly ("memory-safe") {
            // As `_operates`.
            mstore(0x00, entity)
            mstore(0x20, _standings.slot)
            let standing := sload(keccak256(0x00, 0x40))
            let does := eq(and(shr(160, standing), 0xffff), ACTIVE_ENTITY)
            does := and(does, iszero(gt(and(shr(176, standing), 0xffffffffff), timestamp()))) // validFrom
            does := and(does, gt(shr(216, standing), timestamp())) // validTo
            if shl(96, xor(standing, account)) {
                // Not its controller: perhaps an operator.
                mstore(0x20, _operators.slot)
                mstore(0x20, keccak256(0x00, 0x40))
                mstore(0x00, account)
                does := and(does, and(sload(keccak256(0x00, 0x40)), 0xff))
            }
            mstore(0x00, does)
            return(0x00, 0x20)
        }
    }

    /// @inheritdoc IIdentityRegistry
    function parentOf(bytes32 id) external view returns (bytes32) {
        return _parents[id];
    }

    /// @inheritdoc IIdentityRegistry
    function speaksFor(bytes32 id, address account) public view returns (bool) {
        Standing standing = _standings[id];
        if (standing.isEntity()) return _operates(id, account);
        if (!standing.isActive()) return false;
        return standing.controller() == address(0) ? _operates(_parents[id], account) : standing.controller() == account;
    }

    function _operates(bytes32 entity, address account) internal view returns (bool) {
        Standing standing = _standingOf(entity);
        if (!standing.isActiveEntity()) return false;
        return standing.controller() == account || _operators[entity][account];
    }

    /// @dev `_standings[id]`, hashed in the scratch space.
    function _standingOf(bytes32 id) private view returns (Standing standing) {
        assembly ("memory-safe") {
            mstore(0x00, id)
            mstore(0x20, _standings.slot)
            standing := sload(keccak256(0x00, 0x40))
        }
    }

    function _known(bytes32 id) internal view returns (Standing standing) {
        standing = _standings[id];
        if (standing.kind() == Kind.None) revert UnknownParty(id);
    }

    function _requireSpeaker(bytes32 id) internal view {
        if (!speaksFor(id, msg.sender)) revert NotAuthorised(id, msg.sender);
    }

    function _create(bytes32 id, Standing standing, bytes32 parent, bytes32 keyCommitment) internal {
        if (id == 0) revert InvalidId();
        if (_standings[id].kind() != Kind.None) revert AlreadyRegistered(id);
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
