// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../interfaces/IConsentRegistry.sol";
import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";
import {ConsentTypes} from "../libraries/ConsentTypes.sol";
import {ConsentWord, ConsentWords} from "../libraries/ConsentWords.sol";
import {PatientAccount} from "../libraries/PatientAccounts.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {Grants} from "./Grants.sol";
import {Revocations} from "./Revocations.sol";

/// @notice Delegates: parties that may decide for a patient within bounds. One step deep: bounds are the patient's alone.
abstract contract Delegations is Grants, Revocations {
    /// @dev Bounds are consent words with the bit set of actions in the high 8 bits of the flags.
    mapping(bytes32 patient => mapping(bytes32 delegate => mapping(bytes32 label => ConsentWord))) private _delegations;

    /// @inheritdoc IConsentRegistry
    function delegate(Delegation calldata delegation) external whileGranting {
        PatientAccount account = _accounts[delegation.patient];
        _requireSender(delegation.patient, account);
        _delegate(delegation, account, 0);
    }

    /// @inheritdoc IConsentRegistry
    function delegateSigned(Delegation calldata delegation, bytes calldata signature) external whileGranting {
        PatientAccount account = _accounts[delegation.patient];
        _requireInTime(delegation.deadline);
        uint32 serial = _requireNonce(delegation.patient, account, delegation.nonce);
        _requireSignature(delegation.patient, account, ConsentTypes.hash(delegation), signature, true);
        _delegate(delegation, account, serial);
    }

    /// @inheritdoc IConsentRegistry
    function revokeDelegation(bytes32 patient, bytes32 delegateId, bytes32[] calldata labels) external {
        // The delegate may resign; only the patient's own word voids what the patient has signed.
        if (!_isControllerOf(delegateId, msg.sender)) {
            _countRevocationOfSender(patient);
        }
        _revokeDelegation(patient, delegateId, labels);
    }

    /// @inheritdoc IConsentRegistry
    function revokeDelegationSigned(
        bytes32 patient,
        bytes32 delegateId,
        bytes32[] calldata labels,
        uint64 nonce,
        uint40 deadline,
        bytes calldata signature
    ) external {
        PatientAccount account = _accounts[patient];
        _requireInTime(deadline);
        _requireRevocationNonce(patient, account, nonce);
        bytes32 structHash = keccak256(
            abi.encode(
                ConsentTypes.REVOKE_DELEGATION, patient, delegateId, ConsentTypes.hashOf(labels), nonce, deadline
            )
        );
        _requireSignature(patient, account, structHash, signature, false);
        _accounts[patient] = account.withRevocation();
        _revokeDelegation(patient, delegateId, labels);
    }

    /// @inheritdoc IConsentRegistry
    function grantAsDelegate(bytes32 delegateId, Grant calldata consent) external whileGranting {
        if (!IDENTITY.speaksFor(delegateId, msg.sender)) revert NotAuthorised(consent.patient, msg.sender);
        _grantAsDelegate(delegateId, consent, 0);
    }

    /// @inheritdoc IConsentRegistry
    function grantAsDelegateSigned(bytes32 delegateId, Grant calldata consent, bytes calldata signature)
        external
        whileGranting
    {
        _requireInTime(consent.deadline);
        uint32 serial = _requireNonce(consent.patient, _accounts[consent.patient], consent.nonce);
        bytes32 structHash = keccak256(abi.encode(ConsentTypes.DELEGATED_GRANT, delegateId, ConsentTypes.hash(consent)));
        if (
            !_isActive(delegateId)
                || !Signatures.isValid(IDENTITY.controllerOf(delegateId), _hashTypedDataV4(structHash), signature)
        ) revert InvalidSignature(consent.patient);
        _grantAsDelegate(delegateId, consent, serial);
    }

    /// @inheritdoc IConsentRegistry
    function revokeAsDelegate(
        bytes32 delegateId,
        bytes32 patient,
        bytes32 grantee,
        bytes32[] calldata labels,
        uint8 actions
    ) external {
        if (!IDENTITY.speaksFor(delegateId, msg.sender)) {
            revert NotAuthorised(patient, msg.sender);
        }
        PatientAccount account = _accounts[patient];
        for (uint256 i = 0; i < labels.length; ++i) {
            if (
                !_mayRevoke(_delegations[patient][delegateId][labels[i]], account, actions)
                    && !_mayRevoke(_delegations[patient][delegateId][ALL_LABELS], account, actions)
            ) revert BeyondDelegation(patient, delegateId, labels[i]);
        }
        _revoke(patient, grantee, labels, actions, true);
    }

    /// @inheritdoc IConsentRegistry
    function delegationOf(bytes32 patient, bytes32 delegateId, bytes32 label) external view returns (Consent memory) {
        return _delegations[patient][delegateId][label].unpack();
    }

    /// @param serial 0: sent, not signed.
    function _delegate(Delegation calldata delegation, PatientAccount account, uint32 serial) private {
        bytes32 patient = delegation.patient;
        _requireLabels(delegation.labels);
        IIdentityRegistry.Kind kind = IDENTITY.kindOf(delegation.delegate);
        if (kind == IIdentityRegistry.Kind.None || kind == IIdentityRegistry.Kind.Proxy) {
            revert NotADelegate(delegation.delegate);
        }
        ConsentWord bounds =
            ConsentWords.pack(delegation.from, delegation.to, delegation.purposes, delegation.categories);
        _requireTerms(bounds, delegation.actions);
        uint16 flags = uint16(delegation.actions) << 8;
        if (_isInCustody(patient, account)) flags |= ConsentWords.IN_CUSTODY;
        for (uint256 i = 0; i < delegation.labels.length; ++i) {
            bytes32 label = delegation.labels[i];
            ConsentWord present = _delegations[patient][delegation.delegate][label];
            uint32 order = serial == 0 ? _serialAfter(patient, present) : serial;
            if (present.serial() >= order) {
                uint64 high = delegation.nonce >> 32 << 32;
                revert InvalidNonce(patient, high | (uint64(present.serial()) + 1), high | order);
            }
            ConsentWord word = bounds.sealedWith(account.epoch(), flags, order);
            _delegations[patient][delegation.delegate][label] = word;
            emit DelegationGranted(patient, delegation.delegate, label, ConsentWord.unwrap(word));
        }
    }

    function _revokeDelegation(bytes32 patient, bytes32 delegateId, bytes32[] calldata labels) private {
        _requireLabels(labels);
        for (uint256 i = 0; i < labels.length; ++i) {
            bytes32 label = labels[i];
            ConsentWord present = _delegations[patient][delegateId][label];
            _delegations[patient][delegateId][label] = present.tombstone();
            emit DelegationRevoked(patient, delegateId, label);
        }
    }

    function _grantAsDelegate(bytes32 delegateId, Grant calldata consent, uint32 serial) private {
        PatientAccount account = _accounts[consent.patient];
        ConsentWord terms = ConsentWords.pack(consent.from, consent.to, consent.purposes, consent.categories);
        for (uint256 i = 0; i < consent.labels.length; ++i) {
            bytes32 label = consent.labels[i];
            if (
                !_mayGrant(_delegations[consent.patient][delegateId][label], account, consent.actions, terms)
                    && !_mayGrant(
                        _delegations[consent.patient][delegateId][ALL_LABELS], account, consent.actions, terms
                    )
            ) revert BeyondDelegation(consent.patient, delegateId, label);
        }
        _grant(consent, account, serial, ConsentWords.BY_DELEGATE, true);
    }

    function _mayGrant(ConsentWord bounds, PatientAccount account, uint8 actions, ConsentWord terms)
        private
        view
        returns (bool)
    {
        return _isInForce(bounds, account) && actions & ~uint8(bounds.flags() >> 8) == 0 && bounds.contains(terms);
    }

    function _mayRevoke(ConsentWord bounds, PatientAccount account, uint8 actions) private view returns (bool) {
        return _isInForce(bounds, account) && actions & ~uint8(bounds.flags() >> 8) == 0;
    }

    /// @dev What a custodian delegated ends with the custody.
    function _isInForce(ConsentWord bounds, PatientAccount account) private view returns (bool) {
        if (!bounds.isLive(account.epoch()) || bounds.from() > block.timestamp) return false;
        return bounds.flags() & ConsentWords.IN_CUSTODY == 0 || account.controller() == address(0);
    }

    function _isControllerOf(bytes32 id, address account) private view returns (bool) {
        return IDENTITY.controllerOf(id) == account;
    }
}
