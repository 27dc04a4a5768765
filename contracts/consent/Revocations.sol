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
    function revokeLabel(
        bytes32 patient,
        bytes32 grantee,
        bytes32,
        /* label */
        uint8 actions
    )
        external
    {
        _countRevocationOfSender(patient);
        _clear(patient, grantee, 0x44, 1, actions, false);
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
        PatientAccount account = _accounts[patient];
        _requireSenderToRevoke(patient, account);
        _revokeAll(patient, account);
    }

    /// @inheritdoc IConsentRegistry
    function revokeAllSigned(bytes32 patient, uint64 nonce, uint40 deadline, bytes calldata signature) external {
        PatientAccount account = _accounts[patient];
        _requireInTime(deadline);
        _requireRevocationNonce(patient, account, nonce);
        bytes32 structHash = keccak256(abi.encode(ConsentTypes.REVOKE_ALL, patient, nonce, deadline));
        _requireSignature(patient, account, structHash, signature, false);
        _revokeAll(patient, account);
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
                for { let action := 0 } shr(action, actions) { action := add(action, 1) } {
                    if and(shr(action, actions), 1) {
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
                }
                calldatacopy(q, labelsAt, 0x20)
                log3(q, 0x40, revoked, patient, grantee)
            }
        }
    }

    function _revokeAll(bytes32 patient, PatientAccount account) private {
        account = account.withNextEpoch();
        _accounts[patient] = account;
        emit AllConsentsRevoked(patient, account.epoch());
    }
}
