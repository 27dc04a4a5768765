// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../interfaces/IConsentRegistry.sol";
import {ConsentTypes} from "../libraries/ConsentTypes.sol";
import {ConsentWord, ConsentWords} from "../libraries/ConsentWords.sol";
import {PatientAccount} from "../libraries/PatientAccounts.sol";
import {ConsentState} from "./ConsentState.sol";

/// @notice Taking consent back. Nothing here looks at the pause, the successor, or the standing of anybody.
abstract contract Revocations is ConsentState {
    /// @inheritdoc IConsentRegistry
    function revoke(bytes32 patient, bytes32 grantee, bytes32[] calldata labels, uint8 actions) external {
        PatientAccount account = _accounts[patient];
        _requireSenderToRevoke(patient, account);
        _accounts[patient] = account.withRevocation();
        _revoke(patient, grantee, labels, actions, false);
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

    /// @param keepSerial Leave the serial behind. Needed where the revocation counter was not counted up: else what was
    /// signed before could be relayed once more.
    function _revoke(bytes32 patient, bytes32 grantee, bytes32[] calldata labels, uint8 actions, bool keepSerial)
        internal
    {
        _requireLabels(labels);
        if (actions == 0 || actions > REVOCABLE_ACTIONS) revert InvalidActions(actions);
        for (uint256 i = 0; i < labels.length; ++i) {
            bytes32 label = labels[i];
            for (uint256 action = 0; actions >> action != 0; ++action) {
                if (actions >> action & 1 == 0) continue;
                bytes32 location = ConsentWords.slot(patient, grantee, label, action);
                ConsentWord left = keepSerial ? ConsentWords.load(location).tombstone() : ConsentWord.wrap(0);
                ConsentWords.store(location, left);
            }
            emit ConsentRevoked(patient, grantee, label, actions);
        }
    }

    function _revokeAll(bytes32 patient, PatientAccount account) private {
        account = account.withNextEpoch().withRevocation();
        _accounts[patient] = account;
        emit AllConsentsRevoked(patient, account.epoch());
    }
}
