// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../interfaces/IConsentRegistry.sol";
import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";
import {ConsentTypes} from "../libraries/ConsentTypes.sol";
import {ConsentWord, ConsentWords} from "../libraries/ConsentWords.sol";
import {PatientAccount} from "../libraries/PatientAccounts.sol";
import {ConsentState} from "./ConsentState.sol";

/// @notice Emergency reading: short, counted, visible, and the patient's to forbid.
abstract contract BreakGlass is ConsentState {
    struct Tally {
        uint40 day;
        uint16 count;
    }

    /// @inheritdoc IConsentRegistry
    uint40 public constant EMERGENCY_TERM = 4 hours;
    /// @inheritdoc IConsentRegistry
    uint16 public constant EMERGENCY_LIMIT = 24;

    mapping(bytes32 entity => Tally) private _tallies;

    /// @inheritdoc IConsentRegistry
    function breakGlass(bytes32 patient, bytes32 grantee, bytes32 reasonHash) external whileGranting {
        if (!IDENTITY.speaksFor(grantee, msg.sender)) revert NotAuthorised(grantee, msg.sender);
        if (!_isPatient(patient)) revert UnknownPatient(patient);
        if (reasonHash == 0) revert ReasonRequired();
        PatientAccount account = _accounts[patient];
        if (account.vetoed()) revert EmergencyVetoed(patient);
        bytes32 location = ConsentWords.slot(patient, grantee, ALL_LABELS, EMERGENCY_ACTION);
        if (ConsentWords.load(location).isLive(account.epoch())) revert GlassAlreadyBroken(patient, grantee);
        _count(_answerable(grantee));
        uint40 now_ = uint40(block.timestamp);
        ConsentWord word = ConsentWords.pack(now_, now_ + EMERGENCY_TERM, BREAK_GLASS_PURPOSE, type(uint64).max)
            .sealedWith(account.epoch(), ConsentWords.EMERGENCY, uint32(now_));
        ConsentWords.store(location, word);
        emit GlassBroken(patient, grantee, ConsentWord.unwrap(word), reasonHash);
    }

    /// @inheritdoc IConsentRegistry
    function setEmergencyVeto(bytes32 patient, bool vetoed) external {
        PatientAccount account = _accounts[patient];
        if (vetoed) {
            _requireSenderToRevoke(patient, account);
        } else {
            _requireGranting();
            _requireSender(patient, account);
        }
        _setVeto(patient, account, vetoed);
    }

    /// @inheritdoc IConsentRegistry
    function setEmergencyVetoSigned(
        bytes32 patient,
        bool vetoed,
        uint64 nonce,
        uint40 deadline,
        bytes calldata signature
    ) external {
        if (!vetoed) _requireGranting();
        PatientAccount account = _accounts[patient];
        _requireInTime(deadline);
        _requireRevocationNonce(patient, account, nonce);
        bytes32 structHash = keccak256(abi.encode(ConsentTypes.EMERGENCY_VETO, patient, vetoed, nonce, deadline));
        _requireSignature(patient, account, structHash, signature, !vetoed);
        _setVeto(patient, account, vetoed);
    }

    /// @inheritdoc IConsentRegistry
    function emergencyVetoed(bytes32 patient) external view returns (bool) {
        return _accounts[patient].vetoed();
    }

    function _setVeto(bytes32 patient, PatientAccount account, bool vetoed) private {
        _accounts[patient] = account.withVeto(vetoed).withRevocation();
        emit EmergencyVetoChanged(patient, vetoed);
    }

    /// @return entity The entity that answers for the grantee, which must be active.
    function _answerable(bytes32 grantee) private view returns (bytes32 entity) {
        IIdentityRegistry.Kind kind = IDENTITY.kindOf(grantee);
        if (kind == IIdentityRegistry.Kind.Entity) return grantee;
        entity = IDENTITY.parentOf(grantee);
        if (kind != IIdentityRegistry.Kind.Practitioner || !_isActive(entity)) {
            revert GranteeNotActive(grantee);
        }
    }

    function _count(bytes32 entity) private {
        Tally memory tally = _tallies[entity];
        uint40 today = uint40(block.timestamp / 1 days);
        if (tally.day != today) tally = Tally(today, 0);
        if (tally.count >= EMERGENCY_LIMIT) revert EmergencyLimitReached(entity);
        tally.count += 1;
        _tallies[entity] = tally;
    }
}
