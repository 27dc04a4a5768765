// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../../contracts/interfaces/IConsentRegistry.sol";
import {IIdentityRegistry} from "../../contracts/interfaces/IIdentityRegistry.sol";
import {Consortium} from "./support/Consortium.sol";

/// @notice Registering custodial patients with their care grants in one transaction.
contract AdmissionTest is Consortium {
    bytes32 private constant DAVE = keccak256("dave");
    bytes32 private constant EVE = keccak256("eve");

    function test_admit() public {
        IConsentRegistry.CareTerms memory terms = care();
        vm.expectEmit(address(identity));
        emit IIdentityRegistry.PatientRegistered(DAVE, A, address(0), keccak256("key"));
        vm.prank(a);
        consents.admit(A, two(DAVE, EVE), two(keccak256("key"), 0), terms);
        bytes32[2] memory patients = [DAVE, EVE];
        for (uint256 i = 0; i < 2; ++i) {
            assertEq(identity.custodianOf(patients[i]), A, "custody");
            for (uint256 action = 0; action < 6; ++action) {
                assertTrue(consents.check(patients[i], A, ALL_LABELS, action, TREAT, 1), "care");
            }
            IConsentRegistry.Consent memory word = consents.consentOf(patients[i], A, ALL_LABELS, READ);
            assertEq(word.flags, 4 | 1, "in custody, with a policy");
            assertEq(consents.policyOf(patients[i], A, ALL_LABELS, READ), terms.policyHash, "policy");
            assertFalse(consents.check(patients[i], B, ALL_LABELS, READ, TREAT, 1), "nobody else");
        }
    }

    function test_onlyByAnOperatorOfTheEntity() public {
        address[3] memory others = [b, admin, stranger];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, A, others[i]));
            consents.admit(A, one(DAVE), one(0), care());
        }
        vm.prank(a);
        identity.addOperator(A, stranger);
        vm.prank(stranger);
        consents.admit(A, one(DAVE), one(0), care());
        // The identity registry takes admissions from the connected consent registry alone.
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotConsentRegistry.selector, a));
        identity.admitPatients(a, A, one(EVE), one(0));
    }

    function test_aResendIsHarmlessAndBringsNothingBack() public {
        vm.prank(a);
        consents.admit(A, one(DAVE), one(0), care());
        vm.prank(a);
        consents.revoke(DAVE, A, one(ALL_LABELS), 63);
        vm.recordLogs();
        vm.prank(a);
        consents.admit(A, one(DAVE), one(0), care());
        assertEq(vm.getRecordedLogs().length, 0, "nothing");
        assertFalse(consents.check(DAVE, A, ALL_LABELS, READ, TREAT, 1), "still revoked");
    }

    function test_notForPatientsOfOthers() public {
        vm.prank(b);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.AlreadyRegistered.selector, CAROL));
        consents.admit(B, one(CAROL), one(0), care());
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.AlreadyRegistered.selector, ALICE));
        consents.admit(A, one(ALICE), one(0), care());
    }

    function test_malformedAdmissionsAreRefused() public {
        IConsentRegistry.CareTerms memory terms = care();
        terms.actions = 64;
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidActions.selector, 64));
        consents.admit(A, one(DAVE), one(0), terms);
        vm.prank(a);
        vm.expectRevert(IIdentityRegistry.LengthMismatch.selector);
        consents.admit(A, one(DAVE), new bytes32[](0), care());
    }

    function care() private pure returns (IConsentRegistry.CareTerms memory) {
        return IConsentRegistry.CareTerms({
            actions: 63,
            purposes: 127,
            categories: EVERY_CATEGORY,
            from: NOW,
            to: OPEN_END,
            policyHash: keccak256("care policy")
        });
    }
}
