// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IdentityClient} from "./base/IdentityClient.sol";
import {AccessRequests} from "./consent/AccessRequests.sol";
import {BreakGlass} from "./consent/BreakGlass.sol";
import {Delegations} from "./consent/Delegations.sol";
import {IConsentRegistry} from "./interfaces/IConsentRegistry.sol";
import {IIdentityRegistry} from "./interfaces/IIdentityRegistry.sol";
import {ConsentWord, ConsentWords} from "./libraries/ConsentWords.sol";
import {PatientAccount} from "./libraries/PatientAccounts.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @notice See {IConsentRegistry}, which is the specification. Here stands the question; granting, revoking, delegating,
/// requesting and emergencies have a file each in consent/.
contract ConsentRegistry is Delegations, AccessRequests, BreakGlass {
    constructor(IIdentityRegistry identity) IdentityClient(identity) EIP712("Consentry ConsentRegistry", "1") {}

    /// @inheritdoc IConsentRegistry
    function check(bytes32 patient, bytes32 grantee, bytes32 label, uint8 action, uint32 purpose, uint64 categories)
        external
        view
        returns (bool)
    {
        return _denial(patient, grantee, label, action, purpose, categories) == Denial.None;
    }

    /// @inheritdoc IConsentRegistry
    function denial(bytes32 patient, bytes32 grantee, bytes32 label, uint8 action, uint32 purpose, uint64 categories)
        external
        view
        returns (Denial)
    {
        return _denial(patient, grantee, label, action, purpose, categories);
    }

    /// @inheritdoc IConsentRegistry
    function consentOf(bytes32 patient, bytes32 grantee, bytes32 label, uint8 action)
        external
        view
        returns (Consent memory)
    {
        return _word(patient, grantee, label, action).unpack();
    }

    /// @inheritdoc IConsentRegistry
    function policyOf(bytes32 patient, bytes32 grantee, bytes32 label, uint8 action) external view returns (bytes32) {
        bytes32 location = ConsentWords.slot(patient, grantee, label, action);
        bool pinned = ConsentWords.load(location).flags() & ConsentWords.POLICY != 0;
        return pinned ? _policies[location] : bytes32(0);
    }

    /// @inheritdoc IConsentRegistry
    function slotOf(bytes32 patient, bytes32 grantee, bytes32 label, uint8 action) external pure returns (bytes32) {
        return ConsentWords.slot(patient, grantee, label, action);
    }

    /// @inheritdoc IConsentRegistry
    function accountSlotOf(bytes32 patient) external pure returns (bytes32) {
        uint256 mappingSlot;
        assembly ("memory-safe") {
            mappingSlot := _accounts.slot
        }
        return keccak256(abi.encode(patient, mappingSlot));
    }

    /// @inheritdoc IConsentRegistry
    function epochOf(bytes32 patient) external view returns (uint32) {
        return _accounts[patient].epoch();
    }

    /// @inheritdoc IConsentRegistry
    function grantNonce(bytes32 patient) external view returns (uint64) {
        return (uint64(_accounts[patient].revocations()) << 32) | uint32(block.timestamp);
    }

    /// @inheritdoc IConsentRegistry
    function revocationNonce(bytes32 patient) external view returns (uint64) {
        return _accounts[patient].revocations();
    }

    /// @dev Reads the word, the account, and last the grantee's standing: denials mostly need fewer.
    function _denial(bytes32 patient, bytes32 grantee, bytes32 label, uint256 action, uint32 purpose, uint64 categories)
        private
        view
        returns (Denial)
    {
        bool emergency = purpose == BREAK_GLASS_PURPOSE;
        if (emergency ? action != 0 : action >= ACTIONS) return Denial.NoConsent;
        ConsentWord word = _word(patient, grantee, label, emergency ? EMERGENCY_ACTION : action);
        if (word.to() == 0) return Denial.NoConsent;
        PatientAccount account = _accounts[patient];
        if (word.epoch() != account.epoch()) return Denial.EpochEnded;
        if (emergency && account.vetoed()) return Denial.NoConsent;
        if (block.timestamp < word.from()) return Denial.NotYet;
        if (block.timestamp >= word.to()) return Denial.Expired;
        if (purpose == 0 || purpose & ~word.purposes() != 0) return Denial.Purpose;
        if (categories == 0 || categories & ~word.categories() != 0) return Denial.Category;
        return IDENTITY.isActive(grantee) ? Denial.None : Denial.GranteeNotActive;
    }
}
