// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";
import {Standing} from "../libraries/Standings.sol";
import {SignedActions} from "./SignedActions.sol";

/// @notice Who speaks for a party: handing over, claiming, guardians and recovery.
abstract contract Controllers is SignedActions {
    struct Recovery {
        address controller;
        uint40 executableFrom;
    }

    bytes32 private constant CHANGE_CONTROLLER =
        keccak256("ChangeController(bytes32 party,address controller,uint256 nonce,uint256 deadline)");
    bytes32 private constant SET_GUARDIAN =
        keccak256("SetGuardian(bytes32 party,address guardian,uint256 nonce,uint256 deadline)");
    bytes32 private constant CANCEL_RECOVERY =
        keccak256("CancelRecovery(bytes32 party,uint256 nonce,uint256 deadline)");

    /// @inheritdoc IIdentityRegistry
    uint40 public immutable RECOVERY_DELAY;

    mapping(bytes32 party => address) private _guardians;
    mapping(bytes32 party => Recovery) private _recoveries;

    constructor(uint40 recoveryDelay) {
        RECOVERY_DELAY = recoveryDelay;
    }

    /// @inheritdoc IIdentityRegistry
    function changeController(
        bytes32 id,
        address controller,
        uint256 deadline,
        bytes calldata agreement,
        bytes calldata acceptance
    ) external {
        Standing standing = _known(id);
        address present = controllerOf(id);
        if (controller == address(0) || controller == present) revert InvalidController();
        if (standing.status() == Status.Revoked) revert InvalidStatus(id, Status.Revoked, Status.Active);
        bytes32 digest =
            _digest(keccak256(abi.encode(CHANGE_CONTROLLER, id, controller, _useNonce(id), deadline)), deadline);
        if (!_agrees(id, present, digest, agreement)) revert NotAuthorised(id, msg.sender);
        if (msg.sender != controller && !_signed(controller, digest, acceptance)) {
            revert NotAuthorised(id, controller);
        }
        bytes32 custodian = custodianOf(id);
        // A custodian's own accounts do not end a custody.
        if (custodian != 0 && _operators[custodian][controller]) revert InvalidController();
        _change(id, present, controller);
        if (custodian != 0) emit CustodyEnded(id, custodian);
    }

    /// @inheritdoc IIdentityRegistry
    function setGuardian(bytes32 id, address guardian) external {
        if (msg.sender != _known(id).controller()) revert NotAuthorised(id, msg.sender);
        _setGuardian(id, guardian);
    }

    /// @inheritdoc IIdentityRegistry
    function setGuardianSigned(bytes32 id, address guardian, uint256 deadline, bytes calldata signature) external {
        bytes32 digest = _digest(keccak256(abi.encode(SET_GUARDIAN, id, guardian, _useNonce(id), deadline)), deadline);
        if (!_signed(_known(id).controller(), digest, signature)) revert NotAuthorised(id, msg.sender);
        _setGuardian(id, guardian);
    }

    /// @inheritdoc IIdentityRegistry
    function proposeRecovery(bytes32 id, address controller) external {
        Standing standing = _known(id);
        if (controller == address(0) || controller == standing.controller()) revert InvalidController();
        // In custody there is no guardian to be one: `setGuardian` takes an account of one's own.
        if (msg.sender != _recoverer(id, standing.kind())) revert NotAuthorised(id, msg.sender);
        uint40 executableFrom = uint40(block.timestamp) + RECOVERY_DELAY;
        _recoveries[id] = Recovery(controller, executableFrom);
        emit RecoveryProposed(id, controller, executableFrom);
    }

    /// @inheritdoc IIdentityRegistry
    function cancelRecovery(bytes32 id) external {
        Standing standing = _known(id);
        if (msg.sender != standing.controller() && msg.sender != _recoverer(id, standing.kind())) {
            revert NotAuthorised(id, msg.sender);
        }
        _cancelRecovery(id);
    }

    /// @inheritdoc IIdentityRegistry
    function cancelRecoverySigned(bytes32 id, uint256 deadline, bytes calldata signature) external {
        bytes32 digest = _digest(keccak256(abi.encode(CANCEL_RECOVERY, id, _useNonce(id), deadline)), deadline);
        if (!_signed(_known(id).controller(), digest, signature)) revert NotAuthorised(id, msg.sender);
        _cancelRecovery(id);
    }

    /// @inheritdoc IIdentityRegistry
    function completeRecovery(bytes32 id) external {
        Recovery memory recovery = _recoveries[id];
        if (recovery.controller == address(0)) revert NoRecovery(id);
        if (block.timestamp < recovery.executableFrom) revert RecoveryNotDue(recovery.executableFrom);
        _change(id, _standings[id].controller(), recovery.controller);
    }

    /// @inheritdoc IIdentityRegistry
    function guardianOf(bytes32 id) external view returns (address) {
        return _guardians[id];
    }

    /// @inheritdoc IIdentityRegistry
    function recoveryOf(bytes32 id) external view returns (address controller, uint40 executableFrom) {
        Recovery memory recovery = _recoveries[id];
        return (recovery.controller, recovery.executableFrom);
    }

    /// @dev The present side: the controller by sending or signing, or an operator of the custodian by sending.
    function _agrees(bytes32 id, address present, bytes32 digest, bytes calldata agreement)
        private
        view
        returns (bool)
    {
        if (msg.sender == present || _signed(present, digest, agreement)) return true;
        return custodianOf(id) != 0 && speaksFor(id, msg.sender);
    }

    function _change(bytes32 id, address previous, address controller) private {
        Standing standing = _standings[id].withController(controller);
        _standings[id] = standing;
        delete _recoveries[id];
        emit ControllerChanged(id, previous, controller);
        if (standing.kind() == Kind.Patient) _tellConsentRegistry(id, controller);
    }

    /// @dev A recovery that another guardian began does not outlive that guardian.
    function _setGuardian(bytes32 id, address guardian) private {
        if (_recoveries[id].controller != address(0)) _cancelRecovery(id);
        _guardians[id] = guardian;
        emit GuardianChanged(id, guardian);
    }

    function _cancelRecovery(bytes32 id) private {
        if (_recoveries[id].controller == address(0)) revert NoRecovery(id);
        delete _recoveries[id];
        emit RecoveryCancelled(id);
    }

    function _recoverer(bytes32 id, Kind kind) private view returns (address guardian) {
        guardian = _guardians[id];
        if (guardian == address(0) && (kind == Kind.Entity || kind == Kind.Proxy)) guardian = administrator;
    }
}
