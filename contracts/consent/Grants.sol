// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../interfaces/IConsentRegistry.sol";
import {ConsentTypes} from "../libraries/ConsentTypes.sol";
import {ConsentWord, ConsentWords} from "../libraries/ConsentWords.sol";
import {PatientAccount} from "../libraries/PatientAccounts.sol";
import {ConsentState} from "./ConsentState.sol";

/// @notice Granting: sent, signed, many at once, and on admission.
abstract contract Grants is ConsentState {
    /// @inheritdoc IConsentRegistry
    function grant(Grant calldata consent) external whileGranting {
        PatientAccount account = _accounts[consent.patient];
        _requireSender(consent.patient, account);
        _grant(consent, account, 0, 0, false);
    }

    /// @inheritdoc IConsentRegistry
    function grantSigned(Grant calldata consent, bytes calldata signature) external whileGranting {
        PatientAccount account = _accounts[consent.patient];
        _requireInTime(consent.deadline);
        uint32 serial = _requireNonce(consent.patient, account, consent.nonce);
        _requireSignature(consent.patient, account, ConsentTypes.hash(consent), signature, true);
        _grant(consent, account, serial, 0, false);
    }

    /// @inheritdoc IConsentRegistry
    function grantBatch(Grant[] calldata consents, bytes[] calldata signatures) external whileGranting {
        if (consents.length != signatures.length) revert LengthMismatch();
        for (uint256 i = 0; i < consents.length; ++i) {
            // Each in a call of its own, so that one that does not hold leaves nothing behind and stops nobody.
            try this.grantSigned(consents[i], signatures[i]) {}
            catch (bytes memory reason) {
                emit RelaySkipped(i, consents[i].patient, bytes4(reason));
            }
        }
    }

    /// @inheritdoc IConsentRegistry
    function admit(
        bytes32 entity,
        bytes32[] calldata patients,
        bytes32[] calldata keyCommitments,
        CareTerms calldata terms
    ) external whileGranting {
        ConsentWord word = ConsentWords.pack(terms.from, terms.to, terms.purposes, terms.categories);
        _requireTerms(word, terms.actions);
        uint16 flags = ConsentWords.IN_CUSTODY | (terms.policyHash == 0 ? 0 : ConsentWords.POLICY);
        // Fails unless the sender operates the active entity: that is the authority for every patient in its custody.
        bool[] memory admitted = IDENTITY.admitPatients(msg.sender, entity, patients, keyCommitments);
        // A patient begins in epoch 0: nobody could decide for it before it was registered.
        ConsentWord placed = word.sealedWith(0, flags, uint32(block.timestamp));
        for (uint256 i = 0; i < patients.length; ++i) {
            if (!admitted[i]) continue;
            bytes32 patient = patients[i];
            for (uint256 action = 0; action < ACTIONS; ++action) {
                if (terms.actions >> action & 1 == 0) continue;
                bytes32 location = ConsentWords.slot(patient, entity, ALL_LABELS, action);
                ConsentWords.store(location, placed);
                if (terms.policyHash != 0) _policies[location] = terms.policyHash;
            }
            emit ConsentGranted(patient, entity, ALL_LABELS, terms.actions, ConsentWord.unwrap(placed), 0);
            if (terms.policyHash != 0) {
                emit PolicyPinned(patient, entity, ALL_LABELS, terms.actions, terms.policyHash);
            }
        }
    }

    /// @dev Writes the words of a grant whose authority has been checked.
    /// @param serial The signed serial, which must be greater than that of every word it replaces; 0: sent, not signed.
    /// @param flags Flags beside those of policy and custody.
    /// @param respectPatient Refuse to replace a live word that no delegate wrote.
    function _grant(Grant calldata consent, PatientAccount account, uint32 serial, uint16 flags, bool respectPatient)
        internal
    {
        _requireLabels(consent.labels);
        ConsentWord terms = ConsentWords.pack(consent.from, consent.to, consent.purposes, consent.categories);
        _requireTerms(terms, consent.actions);
        if (consent.policyHash != 0) flags |= ConsentWords.POLICY;
        if (_isInCustody(consent.patient, account)) flags |= ConsentWords.IN_CUSTODY;
        if (serial == 0) serial = _serialAfterAll(consent);
        terms = terms.sealedWith(account.epoch(), flags, serial);
        for (uint256 i = 0; i < consent.labels.length; ++i) {
            _place(consent, consent.labels[i], terms, respectPatient);
        }
    }

    function _place(Grant calldata consent, bytes32 label, ConsentWord word, bool respectPatient) private {
        for (uint256 action = 0; action < ACTIONS; ++action) {
            if (consent.actions >> action & 1 == 0) continue;
            bytes32 location = ConsentWords.slot(consent.patient, consent.grantee, label, action);
            ConsentWord present = ConsentWords.load(location);
            if (present.serial() >= word.serial()) {
                uint64 high = consent.nonce >> 32 << 32;
                revert InvalidNonce(consent.patient, high | (uint64(present.serial()) + 1), high | word.serial());
            }
            if (respectPatient && present.isLive(word.epoch()) && present.flags() & ConsentWords.BY_DELEGATE == 0) {
                revert DecidedByPatient(consent.patient, consent.grantee, label, uint8(action));
            }
            ConsentWords.store(location, word);
            if (consent.policyHash != 0) _policies[location] = consent.policyHash;
        }
        emit ConsentGranted(
            consent.patient, consent.grantee, label, consent.actions, ConsentWord.unwrap(word), consent.packageHash
        );
        if (consent.policyHash != 0) {
            emit PolicyPinned(consent.patient, consent.grantee, label, consent.actions, consent.policyHash);
        }
    }

    /// @return serial A serial after those of all words of a grant that was sent.
    function _serialAfterAll(Grant calldata consent) private view returns (uint32 serial) {
        for (uint256 i = 0; i < consent.labels.length; ++i) {
            for (uint256 action = 0; action < ACTIONS; ++action) {
                if (consent.actions >> action & 1 == 0) continue;
                uint32 after_ =
                    _serialAfter(consent.patient, _word(consent.patient, consent.grantee, consent.labels[i], action));
                if (after_ > serial) serial = after_;
            }
        }
    }
}
