// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../interfaces/IConsentRegistry.sol";
import {ConsentTypes} from "../libraries/ConsentTypes.sol";
import {PatientAccount} from "../libraries/PatientAccounts.sol";
import {ConsentState} from "./ConsentState.sol";

/// @notice Taking consent back. Nothing here looks at the pause, the successor, or the standing of anybody.
abstract contract Revocations is ConsentState {
    /// @inheritdoc IConsentRegistry
    function revoke(bytes32 patient, bytes32 grantee, bytes32[] calldata labels, uint8 actions) external {
        _countRevocationOfSender(patient);
        _revoke(patient, grantee, labels, actions, false);
    }

    /// @inheritdoc IConsentRegistry
    /// @dev `revoke` for one label at the lowest cost; a test holds both equal.
    function revokeLabel(
        bytes32 patient,
        bytes32 grantee,
        bytes32,
        /* label */
        uint8 actions
    )
        external
    {
        (bytes32 location, PatientAccount account) = _accountOf(patient);
        if (account.controller() != msg.sender) _requireSenderToRevoke(patient, account);
        if (actions == 0 || actions > REVOCABLE_ACTIONS) revert InvalidActions(actions);
        account = account.withRevocation();
        bytes32 revoked = ConsentRevoked.selector;
        assembly ("memory-safe") {
            sstore(location, account)
            let p := mload(0x40)
            calldatacopy(p, 0x04, 0x60) // patient, grantee, label
            let action := 0
            for { let rest := actions } rest { rest := shr(1, rest) } {
                if and(rest, 1) {
                    mstore(add(p, 0x60), action)
                    sstore(keccak256(p, 0x80), 0)
                }
                action := add(action, 1)
            }
            mstore(add(p, 0x60), actions)
            log3(add(p, 0x40), 0x40, revoked, patient, grantee)
        }
    }

    /// @inheritdoc IConsentRegistry
    function revokeSigned(Revocation calldata revocation, bytes calldata signature) external {
        bytes32 patient = revocation.patient;
        PatientAccount account = _accounts[patient];
        _requireInTime(revocation.deadline);
        _requireRevocationNonce(patient, account, revocation.nonce);
        _requireSignature(patient, account, ConsentTypes.hash(revocation), signature, false);
        _accounts[patient] = account.withRevocation();
        _revoke(patient, revocation.grantee, revocation.labels, revocation.actions, false);
    }

    /// @inheritdoc IConsentRegistry
    function revokeBatch(Revocation[] calldata revocations, bytes[] calldata signatures) external {
        if (revocations.length != signatures.length) revert LengthMismatch();
        for (uint256 i = 0; i < revocations.length; ++i) {
            try this.revokeSigned(revocations[i], signatures[i]) {}
            catch (bytes memory reason) {
                emit RelaySkipped(i, revocations[i].patient, bytes4(reason));
            }
        }
    }

    /// @inheritdoc IConsentRegistry
    function revokeAll(bytes32 patient) external {
        (bytes32 location, PatientAccount account) = _accountOf(patient);
        if (account.controller() != msg.sender) _requireSenderToRevoke(patient, account);
        _revokeAll(patient, location, account);
    }

    /// @inheritdoc IConsentRegistry
    function revokeAllSigned(bytes32 patient, uint64 nonce, uint40 deadline, bytes calldata signature) external {
        (bytes32 location, PatientAccount account) = _accountOf(patient);
        _requireInTime(deadline);
        _requireRevocationNonce(patient, account, nonce);
        bytes32 structHash = keccak256(abi.encode(ConsentTypes.REVOKE_ALL, patient, nonce, deadline));
        _requireSignature(patient, account, structHash, signature, false);
        _revokeAll(patient, location, account);
    }

    function _revoke(bytes32 patient, bytes32 grantee, bytes32[] calldata labels, uint8 actions, bool keepSerial)
        internal
    {
        _requireLabels(labels);
        uint256 labelsAt;
        assembly ("memory-safe") {
            labelsAt := labels.offset
        }
        _clear(patient, grantee, labelsAt, labels.length, actions, keepSerial);
    }

    /// @dev Clears the words of all labels and actions, and says so once per label.
    /// @param labelsAt Where the labels lie in the calldata.
    /// @param keepSerial Leave the serial behind. Needed where the revocation counter was not counted up: else what was
    /// signed before could be relayed once more.
    function _clear(bytes32 patient, bytes32 grantee, uint256 labelsAt, uint256 count, uint8 actions, bool keepSerial)
        private
    {
        if (actions == 0 || actions > REVOCABLE_ACTIONS) revert InvalidActions(actions);
        bytes32 revoked = ConsentRevoked.selector;
        assembly ("memory-safe") {
            let p := mload(0x40)
            let q := add(p, 0x80)
            mstore(p, patient)
            mstore(add(p, 0x20), grantee)
            mstore(add(q, 0x20), actions)
            for { let end := add(labelsAt, shl(5, count)) } lt(labelsAt, end) { labelsAt := add(labelsAt, 0x20) } {
                calldatacopy(add(p, 0x40), labelsAt, 0x20)
                let rest := actions
                for { let action := 0 } rest { action := add(action, 1) } {
                    if and(rest, 1) {
                        mstore(add(p, 0x60), action)
                        let location := keccak256(p, 0x80)
                        let left := 0
                        if keepSerial {
                            left := shr(224, sload(location))
                            if lt(left, timestamp()) { left := timestamp() }
                            left := shl(224, left)
                        }
                        sstore(location, left)
                    }
                    rest := shr(1, rest)
                }
                calldatacopy(q, labelsAt, 0x20)
                log3(q, 0x40, revoked, patient, grantee)
            }
        }
    }

    function _revokeAll(bytes32 patient, bytes32 location, PatientAccount account) private {
        account = account.withNextEpoch();
        assembly ("memory-safe") {
            sstore(location, account)
        }
        emit AllConsentsRevoked(patient, account.epoch());
    }
}
